import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";

import { files as texts } from "../i18n/files.js";
import { useText } from "../i18n/text.js";
import { useDispatch } from "../store/hooks.js";
import { Button, Row, Switch, Trouble, useFocusKept } from "../ui/index.js";
import type { Segment, Task } from "./answers.js";
import { useAudio } from "./audio.js";
import { countOf, type Edits } from "./edits.js";
import { usePlace } from "./playback.js";
import { SegmentRow } from "./segment_row.js";
import { editRedone, editsDropped, editUndone, segmentEdited } from "./slice.js";
import { timed, type Timed } from "./timing.js";

/** Segments whose pieces are remembered. */
const REMEMBERED = 500;

/** Above the list in the window: the head of the page and the player. */
const HEAD = 200;

/** The player and the text that it follows. */
export function Transcript({ task, segments, edits }: { task: Task; segments: readonly Segment[]; edits: Edits }) {
  const t = useText(texts);
  const dispatch = useDispatch();
  const player = useRef<HTMLAudioElement>(null);
  const tools = useRef<HTMLSpanElement>(null);
  const audio = useAudio(task);
  const [isUnplayable, setUnplayable] = useState(false);
  const [isFollowing, follow] = useState(true);
  const [areUnsureMarked, markUnsure] = useState(true);
  const [editing, edit] = useState<{ index: number; draft: string }>();
  const piecesOf = usePieces(segments, edits);
  const { list, rows, offset, total, measure, show } = useRows(segments.length);
  useFocusKept(list, ".files-row-actions button");
  useFocusKept(tools);
  const { place, isPlaying } = usePlace(player, segments, piecesOf);

  const seek = useCallback((ms: number) => {
    if (player.current !== null) {
      player.current.currentTime = ms / 1000;
    }
  }, []);
  const draft = useCallback((index: number, typed: string | undefined) => {
    edit(typed === undefined ? undefined : { index, draft: typed });
  }, []);
  const save = useCallback(
    (index: number, text: string | null) => {
      edit(undefined);
      dispatch(segmentEdited({ index, text, heard: segments[index]?.text ?? "" }));
    },
    [dispatch, segments],
  );
  useEffect(() => {
    if (isFollowing && isPlaying && place.segment >= 0) {
      show(place.segment);
    }
  }, [isFollowing, isPlaying, place.segment, show]);

  return (
    <>
      <div className="files-player">
        <audio
          ref={player}
          controls
          hidden={audio.src === undefined}
          preload="metadata"
          src={audio.src}
          aria-label={t("player", { name: task.name })}
          onError={() => setUnplayable(true)}
          onLoadedMetadata={() => setUnplayable(false)}
        />
        {audio.state === "loading" && <small role="status">{t("audioLoading")}</small>}
        {audio.state === "big" && <Button onClick={audio.load}>{t("audioLoad")}</Button>}
        {audio.state === "huge" && <small>{t("audioHuge")}</small>}
        {audio.error !== undefined && <Trouble text={audio.error} />}
        {isUnplayable && <small role="status">{t("unplayable")}</small>}
        <Row className="files-tools">
          <Switch label={t("follow")} isOn={isFollowing} onSwitch={follow} />
          <Switch label={t("markUnsure")} isOn={areUnsureMarked} onSwitch={markUnsure} />
          <span ref={tools} className="files-undo">
            <Button kind="quiet" disabled={edits.past.length === 0} onClick={() => dispatch(editUndone())}>
              {t("undo")}
            </Button>
            <Button kind="quiet" disabled={edits.future.length === 0} onClick={() => dispatch(editRedone())}>
              {t("redo")}
            </Button>
            {countOf(edits) > 0 && (
              <Button kind="quiet" onClick={() => dispatch(editsDropped())}>
                {t("dropEdits")}
              </Button>
            )}
          </span>
        </Row>
      </div>
      <div ref={list} className="files-text" style={{ blockSize: total }} role="list" aria-label={t("text")}>
        {rows.map(({ index, key, start }) => {
          const segment = segments[index];
          return (
            segment && (
              <div
                key={key}
                ref={measure}
                role="listitem"
                aria-setsize={segments.length}
                aria-posinset={index + 1}
                data-index={index}
                className="files-place"
                style={{ transform: `translateY(${start - offset}px)` }}
              >
                <SegmentRow
                  index={index}
                  segment={segment}
                  pieces={piecesOf(index)}
                  isEdited={edits.texts[index] !== undefined}
                  isNow={place.segment === index}
                  piece={place.segment === index ? place.piece : -1}
                  areUnsureMarked={areUnsureMarked}
                  language={segment.language === task.language ? null : segment.language}
                  draft={editing?.index === index ? editing.draft : undefined}
                  onSeek={seek}
                  onDraft={draft}
                  onSave={save}
                />
              </div>
            )
          );
        })}
      </div>
    </>
  );
}

/** The pieces of a segment as it reads now: made when they are wanted, and remembered for the ones last wanted. */
function usePieces(segments: readonly Segment[], edits: Edits): (index: number) => readonly Timed[] {
  return useMemo(() => {
    const known = new Map<number, readonly Timed[]>();
    return (index) => {
      const found = known.get(index);
      if (found !== undefined) {
        return found;
      }
      const segment = segments[index];
      const made = segment === undefined ? [] : timed(segment, edits.texts[index]);
      if (known.size >= REMEMBERED) {
        known.clear();
      }
      known.set(index, made);
      return made;
    };
  }, [segments, edits.texts]);
}

/** The rows that are on the screen, of a list that scrolls with the page. */
function useRows(count: number) {
  const list = useRef<HTMLDivElement>(null);
  const [offset, setOffset] = useState(0);
  useLayoutEffect(() => {
    const place = (): void => setOffset((list.current?.getBoundingClientRect().top ?? 0) + scrollY);
    place();
    const watch = new ResizeObserver(place);
    watch.observe(document.body);
    return () => watch.disconnect();
  }, []);
  const rows = useWindowVirtualizer({
    count,
    estimateSize: () => 76,
    overscan: 10,
    scrollMargin: offset,
    scrollPaddingStart: HEAD,
    scrollPaddingEnd: 60,
  });
  const { scrollToIndex, measureElement } = rows;
  const show = useCallback((index: number) => scrollToIndex(index, { align: "auto" }), [scrollToIndex]);
  return { list, rows: rows.getVirtualItems(), offset, total: rows.getTotalSize(), measure: measureElement, show };
}
