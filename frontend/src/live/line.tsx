import type { Word } from "asr-hub-client";
import { memo, useMemo, useState } from "react";

import { live } from "../i18n/live.js";
import { useLocale, useText } from "../i18n/text.js";
import type { Line as Said } from "../store/transcript.js";
import { Badge, clock } from "../ui/index.js";
import { segments } from "./segments.js";

/** Below it a word is marked as one to look at. */
const UNSURE = 0.6;

/** One final, as the latest pass reads it. */
export const Line = memo(function Line({ line }: { line: Said }) {
  const t = useText(live);
  const [isOpen, open] = useState(false);
  const before = line.former.at(-1);
  return (
    <article className="live-line" data-testid="final" data-utterance={line.utterance}>
      <time className="live-time">{clock(line.start, 0)}</time>
      <div className="live-said">
        <p lang={line.language ?? undefined}>
          {line.speaker !== null && <b className="live-speaker">{line.speaker}</b>}
          <Words line={line} />
        </p>
        {before !== undefined && (
          <p className="live-former">
            <Badge kind="accent">{line.pass === "corrected" ? t("passCorrected") : t("revised")}</Badge> <del>{before}</del>
          </p>
        )}
      </div>
      <button
        type="button"
        className="button button-quiet live-more"
        aria-expanded={isOpen}
        aria-label={t("detailsOf", { number: line.utterance })}
        title={t("details")}
        onClick={() => open(!isOpen)}
      >
        <span aria-hidden="true">{isOpen ? "−" : "+"}</span>
      </button>
      {isOpen && <Details line={line} />}
    </article>
  );
});

function Words({ line: { text, words } }: { line: Said }) {
  const parts = useMemo(() => segments(text, words), [text, words]);
  const detail = useDetail();
  return parts.map(({ text: part, word }, index) =>
    word === undefined ? (
      part
    ) : (
      <span key={index} className={(word.confidence ?? 1) < UNSURE ? "live-word live-unsure" : "live-word"} title={detail(word)}>
        {part}
      </span>
    ),
  );
}

function Details({ line }: { line: Said }) {
  const t = useText(live);
  const { percent, seconds, whole } = useNumbers();
  const facts = [
    line.provider !== "" && t("heardBy", { provider: line.provider }),
    line.latencyMs !== null && t("after", { ms: whole(line.latencyMs) }),
    line.confidence !== null && `${t("confidence")} ${percent(line.confidence)}`,
    line.language,
    line.pass === "accurate" && t("passAccurate"),
    line.pass === "corrected" && t("passCorrected"),
  ].filter((fact) => typeof fact === "string");
  return (
    <div className="live-details">
      <p>
        <small>{facts.join(" · ")}</small>
      </p>
      {line.former.length > 0 && (
        <div>
          <small>{t("former")}</small>
          <ol>
            {line.former.map((text, index) => (
              <li key={index}>
                <del>{text}</del>
              </li>
            ))}
          </ol>
        </div>
      )}
      {line.words.length === 0 ? (
        <small>{t(line.isCompact ? "noWords" : "noWordsHeard")}</small>
      ) : (
        <ul className="live-words">
          {line.words.map((word, index) => (
            <li key={index}>
              <b className={(word.confidence ?? 1) < UNSURE ? "live-unsure" : undefined}>{word.text}</b>
              <small>
                {seconds(word.start)}–{seconds(word.end)} s{word.confidence !== null && ` · ${percent(word.confidence)}`}
              </small>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

function useDetail(): (word: Word) => string {
  const t = useText(live);
  const { percent, seconds } = useNumbers();
  return ({ start, end, confidence }) => {
    const times = { start: seconds(start), end: seconds(end) };
    return confidence === null ? t("wordDetailBare", times) : t("wordDetail", { ...times, confidence: percent(confidence) });
  };
}

function useNumbers() {
  const locale = useLocale();
  return {
    whole: (value: number) => value.toLocaleString(locale),
    percent: (value: number) => value.toLocaleString(locale, { style: "percent" }),
    seconds: (milliseconds: number) => (milliseconds / 1000).toLocaleString(locale, { minimumFractionDigits: 2, maximumFractionDigits: 2 }),
  };
}
