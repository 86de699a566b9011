/** What was said, however long it gets: only what can be seen is in the page. */

import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useRef, useState } from "react";

import { live } from "../i18n/live.js";
import { useText } from "../i18n/text.js";
import { useSelector } from "../store/hooks.js";
import { at, count, EMPTY, newest, stablePart, type Transcript as Said } from "../store/transcript.js";
import { Button, clock, Empty } from "../ui/index.js";
import { Line } from "./line.js";
import { lineOf, silentRows } from "./rows.js";

/** Pixels from the end within which the list follows what is said. */
const NEAR = 64;

export function Transcript({ session }: { session: string | null }) {
  const t = useText(live);
  const transcript = useSelector((state) => (session === null ? EMPTY : (state.sessions[session]?.transcript ?? EMPTY)));
  const isListening = useSelector((state) => state.live.phase === "listening" || state.live.phase === "file");
  const gaps = useSelector((state) => (session === null ? 0 : (state.sessions[session]?.gaps ?? 0)));
  const isHeld = useSelector((state) => state.live.choices.mode === "push-to-talk");
  const isLost = useSelector((state) => session !== null && state.sessions[session]?.connection === "lost");
  const warning = useSelector((state) => (session === null ? undefined : state.sessions[session]?.notes.findLast(({ kind }) => kind === "warning")));
  const hasSilent = useSelector((state) => state.live.silent.length > 0);
  const isEmpty = !hasSilent && count(transcript) === 0 && (transcript.partial?.hypothesis.text ?? "") === "";
  return (
    <>
      {isLost && <p className="live-lost">{t("lost")}</p>}
      {gaps > 0 && <p className="badge badge-warning">{t("gap", { count: gaps })}</p>}
      {warning !== undefined && <p className="live-lost">{t("warned", { message: warning.text })}</p>}
      {transcript.dropped > 0 && <small>{t("dropped", { count: transcript.dropped })}</small>}
      {isEmpty ? (
        <Empty title={t(isListening ? "listeningTitle" : "emptyTitle")}>
          <p>{t(isListening ? "listeningLead" : isHeld ? "emptyHold" : "emptyLead")}</p>
        </Empty>
      ) : (
        <Lines transcript={transcript} />
      )}
      <p className="hidden" aria-live="polite">
        {newest(transcript)?.text}
      </p>
    </>
  );
}

function Lines({ transcript }: { transcript: Said }) {
  const t = useText(live);
  const frame = useRef<HTMLDivElement>(null);
  const [isFollowing, follow] = useState(true);
  const silent = useSelector((state) => state.live.silent);
  const rows = useMemo(() => silentRows(transcript, silent), [transcript, silent]);
  const all = count(transcript) + rows.size;
  // A hook of a library that keeps its own state: it is called anew for each change of the list.
  const list = useVirtualizer({
    count: all,
    getScrollElement: () => frame.current,
    estimateSize: () => 48,
    overscan: 8,
    getItemKey: (row) => rows.get(row)?.utterance ?? at(transcript, lineOf(rows, row))?.utterance ?? row,
  });
  const partial = transcript.partial?.hypothesis;
  const size = list.getTotalSize();
  useEffect(() => {
    if (isFollowing && frame.current !== null) {
      frame.current.scrollTop = frame.current.scrollHeight;
    }
  }, [isFollowing, size, partial?.text]);
  return (
    <div className="live-frame">
      <div
        ref={frame}
        className="live-lines"
        tabIndex={0}
        role="region"
        aria-label={t("transcript")}
        onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => follow(scrollHeight - scrollTop - clientHeight < NEAR)}
      >
        <div className="live-list" style={{ blockSize: `${size}px` }}>
          {list.getVirtualItems().map(({ key, index, start }) => {
            const quiet = rows.get(index);
            const line = quiet === undefined ? at(transcript, lineOf(rows, index)) : undefined;
            return (
              <div key={key} ref={list.measureElement} data-index={index} style={{ transform: `translateY(${start}px)` }}>
                {line !== undefined && <Line line={line} />}
                {quiet !== undefined && (
                  <p className="live-line">
                    <small className="live-time">{clock(quiet.at, 0)}</small>
                    <small>{t("silent")}</small>
                  </p>
                )}
              </div>
            );
          })}
        </div>
        {partial !== undefined && partial.text !== "" && <Growing hypothesis={partial} />}
      </div>
      {!isFollowing && (
        <Button className="live-latest" onClick={() => follow(true)}>
          ↓ {t("latest")}
        </Button>
      )}
    </div>
  );
}

/** A partial: what stays, and what may still change. */
function Growing({ hypothesis }: { hypothesis: NonNullable<Said["partial"]>["hypothesis"] }) {
  const t = useText(live);
  const [stable, unstable] = stablePart(hypothesis);
  return (
    <p className="live-partial" data-testid="partial" lang={hypothesis.language ?? undefined}>
      <span className="live-pulse" aria-hidden="true" />
      <span>
        <span className="live-stable">{stable}</span>
        <span className="live-unstable" title={t("unstable")}>
          {unstable}
        </span>
      </span>
    </p>
  );
}
