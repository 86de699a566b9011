/** One session that is watched. */

import { useEffect, useLayoutEffect, useRef } from "react";

import { useText } from "../i18n/text.js";
import { watch } from "../i18n/watch.js";
import { href } from "../router.js";
import { FORGOTTEN, told } from "../store/facts.js";
import { useDispatch, useSelector } from "../store/hooks.js";
import type { Note, SessionState } from "../store/sessions.js";
import { at, count, type Line, stablePart, type Transcript } from "../store/transcript.js";
import { Badge, Button, clock, Row, sentence, Trouble } from "../ui/index.js";
import { WatchLink } from "./link.js";
import { NONE, watchBegun, watchEnded, watchMoved } from "./slice.js";

/** Lines of one tile, the newest. */
const SHOWN = 80;

export function Tile({ id }: { id: string }) {
  const t = useText(watch);
  const dispatch = useDispatch();
  const watched = useSelector((state) => (state.watching?.watched ?? NONE).find((one) => one.id === id));
  const session = useSelector((state) => state.sessions[id]);
  useLink(id);
  if (watched === undefined) {
    return null;
  }
  const isDown = watched.state === "refused" || session?.connection === "lost";
  return (
    <article className="watch-tile" aria-label={t("session", { name: short(id) })} data-session={id}>
      <header>
        <h2 title={id}>{short(id)}</h2>
        <Connection session={session} isRefused={watched.state === "refused" || watched.state === "named"} />
        <Button kind="quiet" aria-label={`${t("close")} ${short(id)}`} title={t("close")} onClick={() => dispatch(watchEnded(id))}>
          ×
        </Button>
      </header>
      {watched.message !== null && <Trouble text={watched.message} />}
      {watched.state === "named" && <p className="watch-lead">{t("nameOnly")}</p>}
      {session !== undefined && <Heard session={session} />}
      <footer>
        {session !== undefined && <Facts session={session} />}
        <Row>
          {isDown && watched.state !== "own" && <Button onClick={() => dispatch(watchBegun({ id, via: watched.via }))}>{t("again")}</Button>}
          {watched.state !== "named" && (
            <a href={href({ view: "captions", session: id })} target="_blank" rel="noreferrer">
              {t("captions")}
            </a>
          )}
          <a href={href({ view: "time", of: "sessions", name: id })}>{t("time")}</a>
        </Row>
      </footer>
    </article>
  );
}

/** The connection, as long as the tile is there; what this page speaks itself needs none. */
function useLink(id: string): void {
  const dispatch = useDispatch();
  const { via, turn } = useSelector((state) => (state.watching?.watched ?? NONE).find((one) => one.id === id)) ?? {};
  const isOwn = useSelector((state) => state.sessions[id]?.role === "publisher");
  useEffect(() => {
    if (via === undefined) {
      return undefined;
    }
    if (isOwn) {
      dispatch(watchMoved({ id, state: "own" }));
      return undefined;
    }
    dispatch(watchMoved({ id, state: "opening" }));
    const link = new WatchLink({
      id,
      via,
      dispatch,
      onOpen: () => dispatch(watchMoved({ id, state: "open" })),
      onNameOnly: () => dispatch(watchMoved({ id, state: "named" })),
      onRefused: (message) => dispatch(watchMoved({ id, state: "refused", message })),
    });
    return () => {
      link.close();
      dispatch(told(FORGOTTEN, null, { session: id, seq: 0, via }));
    };
  }, [dispatch, id, via, isOwn, turn]);
}

function Connection({ session, isRefused }: { session: SessionState | undefined; isRefused: boolean }) {
  const t = useText(watch);
  const state = isRefused ? "refused" : (session?.connection ?? "opening");
  const kind = ({ live: "good", opening: "plain", broken: "warning", closed: "plain", lost: "bad", refused: "bad" } as const)[state];
  return (
    <span data-testid="connection" data-state={state} role="status">
      <Badge kind={kind}>{t(`state_${state}`)}</Badge>
    </span>
  );
}

function Heard({ session }: { session: SessionState }) {
  const t = useText(watch);
  const { transcript, speaking, connection, ending } = session;
  const frame = useRef<HTMLDivElement>(null);
  const stays = useRef(true);
  useLayoutEffect(() => {
    if (stays.current && frame.current !== null) {
      frame.current.scrollTop = frame.current.scrollHeight;
    }
  }, [transcript]);
  const scrolled = (): void => {
    const { scrollTop, scrollHeight, clientHeight } = frame.current ?? { scrollTop: 0, scrollHeight: 0, clientHeight: 0 };
    stays.current = scrollHeight - scrollTop - clientHeight < 40;
  };
  // A newer hub may have more of them.
  const why = (code: string): string => (`why_${code}` in watch.en ? t(`why_${code}` as keyof typeof watch.en) : code);
  const total = count(transcript);
  const isQuiet = total === 0 && transcript.partial === null;
  return (
    <div className="watch-heard" ref={frame} tabIndex={0} role="group" aria-label={t("transcript")} onScroll={scrolled}>
      {total > SHOWN && <small>{t("earlier", { count: total + transcript.dropped - SHOWN })}</small>}
      {isQuiet && <p className="watch-lead">{t(connection === "closed" ? "silent" : "waiting")}</p>}
      <ol aria-live="polite" aria-relevant="additions">
        {newest(transcript).map((line) => (
          <Final key={line.utterance} line={line} />
        ))}
      </ol>
      {transcript.partial !== null && <Partial transcript={transcript} />}
      {speaking !== null && transcript.partial === null && <p className="watch-speaking">{t("speaking")}</p>}
      {(connection === "closed" || connection === "lost") && (
        <p className="watch-over" role="status">
          {connection === "closed" ? t("closed", { reason: why(ending ?? "") }) : sentence(ending ?? t("state_lost"))}
        </p>
      )}
    </div>
  );
}

function Final({ line }: { line: Line }) {
  const t = useText(watch);
  const { text, former, speaker, start } = line;
  return (
    <li>
      <span className="watch-when">{clock(start, 0)}</span>
      <div>
        {speaker !== null && <b className="watch-speaker">{t("speaker", { name: speaker })} </b>}
        <span data-testid="final">{text}</span>
        {former.length > 0 && (
          <small className="watch-former">
            {t("formerly")} <del>{former.at(-1)}</del>
          </small>
        )}
      </div>
    </li>
  );
}

function Partial({ transcript: { partial } }: { transcript: Transcript }) {
  if (partial === null) {
    return null;
  }
  const [stable, rest] = stablePart(partial.hypothesis);
  return (
    <p className="watch-partial" data-testid="partial">
      {stable}
      <i>{rest}</i>
    </p>
  );
}

function Facts({ session }: { session: SessionState }) {
  const t = useText(watch);
  const { provider, acknowledged, format, notes, gaps, speaking } = session;
  const last: Note | undefined = notes.at(-1);
  return (
    <div className="watch-facts">
      <small>
        <span className={`watch-voice ${speaking === null ? "" : "watch-voice-on"}`} aria-hidden="true" />
        {[provider, clock((acknowledged / format.sample_rate) * 1000, 0), gaps > 0 ? t("gaps", { count: gaps }) : null]
          .filter((part) => part !== null && part !== "")
          .join(" · ")}
      </small>
      {last !== undefined && (
        <p className={`watch-note watch-note-${last.kind}`}>
          {last.kind === "wake-word" ? t("wakeWord", { phrase: last.text }) : last.text}
        </p>
      )}
    </div>
  );
}

function newest(transcript: Transcript): Line[] {
  const total = count(transcript);
  const found: Line[] = [];
  for (let index = Math.max(0, total - SHOWN); index < total; index += 1) {
    const line = at(transcript, index);
    if (line !== undefined) {
      found.push(line);
    }
  }
  return found;
}

function short(id: string): string {
  return id.length > 14 ? `${id.slice(0, 10)}…` : id;
}
