/** The text of a file, with what was changed in it, as the files that other programs read. */

import { type Cue, FORMATS as LIVE, MEDIA as LIVE_MEDIA, written as plainly } from "../export/formats.js";
import type { Segment } from "./answers.js";
import type { Texts } from "./edits.js";
import { timed } from "./timing.js";

export const FORMATS = [...LIVE, "tsv"] as const;

export type Format = (typeof FORMATS)[number];

export const MEDIA: Readonly<Record<Format, string>> = { ...LIVE_MEDIA, tsv: "text/tab-separated-values" };

/** The segments as they read now, with the times of their words; those without text are left out. */
export function cues(segments: readonly Segment[], texts: Texts): Cue[] {
  return segments.flatMap((segment, index) => {
    const text = (texts[index] ?? segment.text).trim();
    if (text === "") {
      return [];
    }
    const pieces = segment.words.length === 0 ? [] : timed(segment, text);
    const words = pieces.map(({ text: word, startMs: start, endMs: end, confidence }) => ({ text: word, start, end, confidence }));
    return [{ start: segment.start_ms, end: segment.end_ms, text, speaker: segment.speaker, words }];
  });
}

export function written(format: Format, said: readonly Cue[]): string {
  return format === "tsv" ? table(said) : plainly(format, said);
}

/** As the hub writes it: milliseconds, and no tab or line end within a text. */
function table(said: readonly Cue[]): string {
  const rows = said.map(({ start, end, text }) => [start, end, text.replace(/\s+/gu, " ")].join("\t"));
  return ["start\tend\ttext", ...rows].map((row) => `${row}\n`).join("");
}
