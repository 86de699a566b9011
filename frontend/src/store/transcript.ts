/** What was said in one session, bounded: the newest utterances whole, older ones by their text and times. */

import type { Hypothesis, SessionMessage, Word } from "asr-hub-client";

/** One utterance. Of an older one `words` is empty and `former` too. */
export interface Line {
  utterance: number;
  text: string;
  /** Milliseconds of audio since the session began. */
  start: number;
  end: number;
  words: readonly Word[];
  confidence: number | null;
  language: string | null;
  speaker: string | null;
  provider: string;
  pass: Hypothesis["pass"];
  /** From the end of its audio, in the hub. */
  latencyMs: number | null;
  /** What it was read as before later passes, the oldest first. */
  former: readonly string[];
  isCompact: boolean;
}

export interface Transcript {
  /** Full pages of compact lines, oldest first. */
  readonly pages: readonly (readonly Line[])[];
  readonly recent: readonly Line[];
  /** Lines that were let go for good. */
  readonly dropped: number;
  readonly partial: { utterance: number; hypothesis: Hypothesis } | null;
}

/** Lines of one page. */
export const PAGE = 100;
/** Lines that are kept whole are at least these, and fewer than one page more. */
export const WHOLE = 100;
/** Pages that are kept: with an utterance each second, five hours and a half. */
export const PAGES = 200;

const FORMER = 8;

export const EMPTY: Transcript = { pages: [], recent: [], dropped: 0, partial: null };

/** The transcript after one more message; messages that say no text leave it as it is. */
export function heard(transcript: Transcript, message: SessionMessage): Transcript {
  switch (message.type) {
    case "partial":
      return { ...transcript, partial: { utterance: message.utterance, hypothesis: message.hypothesis } };
    case "endpoint":
      return message.reason === "clear" ? { ...transcript, partial: null } : transcript;
    case "final":
      return finalized(transcript, line(message.utterance, message.hypothesis, message.latency_ms));
    case "revision":
      return revised(transcript, message.utterance, message.hypothesis);
    case "reset":
      return message.finals.reduce(
        (all, { utterance, hypothesis }) => finalized(all, line(utterance, hypothesis, null)),
        { ...EMPTY, partial: message.partial },
      );
    default:
      return transcript;
  }
}

/** What was kept from before a reload, as the beginning of a transcript. */
export function restored(kept: readonly Line[]): Transcript {
  return kept.reduce(finalized, EMPTY);
}

/** A line by its text and times. */
export function compact(whole: Line): Line {
  return { ...whole, words: [], former: [], isCompact: true };
}

export function count({ pages, recent }: Transcript): number {
  return pages.length * PAGE + recent.length;
}

/** Line `index`, the oldest that is kept being 0. */
export function at({ pages, recent }: Transcript, index: number): Line | undefined {
  const page = pages[Math.floor(index / PAGE)];
  return page === undefined ? recent[index - pages.length * PAGE] : page[index % PAGE];
}

export function lines({ pages, recent }: Transcript): Line[] {
  return [...pages.flat(), ...recent];
}

/** Where the stable part of a partial ends, between two characters as the hub counts them. */
export function stablePart({ text, stable }: Pick<Hypothesis, "text" | "stable">): [string, string] {
  // The hub counts code points, JavaScript counts halves of some.
  const points = Array.from(text);
  return [points.slice(0, stable).join(""), points.slice(stable).join("")];
}

function line(utterance: number, hypothesis: Hypothesis, latencyMs: number | null): Line {
  const { text, start, end, words, confidence, language, speaker, provider, pass } = hypothesis;
  const said = { utterance, text, start, end, words, confidence, language, speaker, provider, pass };
  return { ...said, latencyMs, former: [], isCompact: false };
}

function finalized(transcript: Transcript, said: Line): Transcript {
  const partial = transcript.partial !== null && transcript.partial.utterance <= said.utterance ? null : transcript.partial;
  if (said.text === "") {
    return partial === transcript.partial ? transcript : { ...transcript, partial };
  }
  if (said.utterance <= (newest(transcript)?.utterance ?? 0)) {
    return { ...placed(transcript, said), partial };
  }
  return { ...folded(transcript, [...transcript.recent, said]), partial };
}

export function newest({ pages, recent }: Transcript): Line | undefined {
  return recent.at(-1) ?? pages.at(-1)?.at(-1);
}

/** A final that overtook others, or one that is told again to somebody who came back. */
function placed(transcript: Transcript, said: Line): Transcript {
  const index = place(transcript.recent, said.utterance);
  const isKnown = transcript.recent[index]?.utterance === said.utterance;
  // Before the oldest whole line everything has its place already.
  if (isKnown || index === 0) {
    return transcript;
  }
  return folded(transcript, transcript.recent.toSpliced(index, 0, said));
}

/** The oldest lines become a page where they are one. */
function folded({ pages, dropped, partial }: Transcript, recent: readonly Line[]): Transcript {
  if (recent.length < WHOLE + PAGE) {
    return { pages, dropped, partial, recent };
  }
  const page = recent.slice(0, PAGE).map(compact);
  const over = pages.length >= PAGES ? 1 : 0;
  return {
    pages: [...pages.slice(over), page],
    recent: recent.slice(PAGE),
    dropped: dropped + over * PAGE,
    partial,
  };
}

function revised(transcript: Transcript, utterance: number, hypothesis: Hypothesis): Transcript {
  const index = place(transcript.recent, utterance);
  const before = transcript.recent[index];
  if (before?.utterance === utterance) {
    const recent = [...transcript.recent];
    recent[index] = again(before, hypothesis);
    return { ...transcript, recent };
  }
  const page = transcript.pages.findLastIndex((one) => (one[0]?.utterance ?? Infinity) <= utterance);
  const among = transcript.pages[page] ?? [];
  const old = among[place(among, utterance)];
  if (old?.utterance === utterance) {
    const whole = among.map((one) => (one === old ? compact(again(old, hypothesis)) : one));
    return { ...transcript, pages: transcript.pages.with(page, whole) };
  }
  // Its final was empty, and so it has no line yet.
  const isNewest = utterance > (transcript.recent.at(-1)?.utterance ?? 0);
  if (hypothesis.text === "" || (!isNewest && page >= 0 && index === 0)) {
    return transcript;
  }
  const said = line(utterance, hypothesis, null);
  return folded(transcript, transcript.recent.toSpliced(index, 0, said));
}

function again(before: Line, hypothesis: Hypothesis): Line {
  const after = line(before.utterance, hypothesis, before.latencyMs);
  const former = before.text === after.text ? before.former : [...before.former, before.text].slice(-FORMER);
  return { ...after, former };
}

/** The index of the first line that is not before this utterance. */
function place(among: readonly Line[], utterance: number): number {
  let low = 0;
  let high = among.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((among[middle]?.utterance ?? Infinity) < utterance) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}
