import { type KeyboardEvent, memo, type MouseEvent } from "react";

import { files as texts } from "../i18n/files.js";
import { useText } from "../i18n/text.js";
import { Badge, Button, clock } from "../ui/index.js";
import type { Segment } from "./answers.js";
import { MAX_TEXT } from "./edits.js";
import type { Timed } from "./timing.js";

/** Below this an engine was in doubt. */
const UNSURE = 0.5;

export interface SegmentRowProps {
  index: number;
  segment: Segment;
  pieces: readonly Timed[];
  isEdited: boolean;
  /** Whether this is the one that is heard now. */
  isNow: boolean;
  /** The piece that is heard now, or -1. */
  piece: number;
  areUnsureMarked: boolean;
  /** Shown where it differs from the file's. */
  language: string | null;
  /** What is being typed in its place; undefined where nothing is. */
  draft: string | undefined;
  onSeek: (ms: number) => void;
  onDraft: (index: number, draft: string | undefined) => void;
  onSave: (index: number, text: string | null) => void;
}

/** One stretch of the file: when, who, and what was said. */
export const SegmentRow = memo(function SegmentRow(props: SegmentRowProps) {
  const { index, segment, pieces, isEdited, isNow, language, draft, onSeek, onDraft, onSave } = props;
  const t = useText(texts);
  const time = clock(segment.start_ms, 0);
  const text = pieces.map((one) => one.text + one.gap).join("");
  const step = (event: KeyboardEvent): void => {
    const way = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    const next = pieces[Math.max(0, props.piece + way)];
    if (way !== 0 && next !== undefined) {
      event.preventDefault();
      onSeek(next.startMs);
    }
  };
  return (
    <div className={isNow ? "files-segment files-segment-now" : "files-segment"} data-testid="segment">
      <div className="files-margin">
        <button type="button" className="files-time" title={t("stepHint")} aria-label={t("playFrom", { time })} onClick={() => onSeek(segment.start_ms)} onKeyDown={step}>
          {time}
        </button>
        {segment.speaker !== null && <Badge kind="accent">{t("speaker", { name: segment.speaker })}</Badge>}
        {language !== null && <Badge>{language}</Badge>}
        {isEdited && <Badge kind="warning">{t("edited")}</Badge>}
      </div>
      {draft === undefined ? (
        <>
          <Words {...props} />
          <div className="files-row-actions">
            <Button kind="quiet" aria-label={t("editAt", { time })} onClick={() => onDraft(index, text)}>
              {t("edit")}
            </Button>
            {isEdited && (
              <Button kind="quiet" aria-label={t("revertAt", { time })} onClick={() => onSave(index, null)}>
                {t("revert")}
              </Button>
            )}
          </div>
        </>
      ) : (
        <form
          className="files-editor"
          onSubmit={(event) => {
            event.preventDefault();
            onSave(index, draft);
          }}
        >
          <textarea
            className="input"
            aria-label={t("textAt", { time })}
            rows={Math.min(8, 2 + Math.floor(draft.length / 70))}
            maxLength={MAX_TEXT}
            autoFocus
            value={draft}
            onChange={(event) => onDraft(index, event.target.value)}
            onKeyDown={(event) => {
              if (event.key === "Escape") {
                onDraft(index, undefined);
              } else if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
                event.preventDefault();
                onSave(index, draft);
              }
            }}
          />
          <div className="row">
            <Button kind="primary" type="submit">
              {t("save")}
            </Button>
            <Button onClick={() => onDraft(index, undefined)}>{t("discard")}</Button>
          </div>
        </form>
      )}
    </div>
  );
});

/** Pressing a word goes there: one listener for all of them. */
function Words({ pieces, piece, isNow, areUnsureMarked, onSeek }: SegmentRowProps) {
  const t = useText(texts);
  const pressed = ({ target }: MouseEvent): void => {
    const at = target instanceof HTMLElement ? pieces[Number(target.dataset["at"] ?? -1)] : undefined;
    if (at !== undefined) {
      onSeek(at.startMs);
    }
  };
  return (
    <p className="files-words" onClick={pressed}>
      {pieces.length === 0 && <i>{t("noText")}</i>}
      {pieces.map((one, at) => {
        const isUnsure = areUnsureMarked && one.confidence !== null && one.confidence < UNSURE;
        const names = ["files-word", isUnsure ? "files-unsure" : "", isNow && at === piece ? "files-now" : ""];
        const title = isUnsure ? t("unsure", { value: Math.round((one.confidence ?? 0) * 100) }) : undefined;
        return (
          <span key={at}>
            <span className={names.filter(Boolean).join(" ")} data-at={at} title={title}>
              {one.text}
            </span>
            {one.gap}
          </span>
        );
      })}
    </p>
  );
}
