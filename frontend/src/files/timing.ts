/** When each word of a text is said, also after a person has changed the text. */

import type { Segment, Word } from "./answers.js";

/** A piece of a text: what is written, with what separates it from the next. */
export interface Timed {
  text: string;
  /** Between this piece and the next: a space, or nothing. */
  gap: string;
  startMs: number;
  endMs: number;
  /** 0 to 1, of the word that the engine heard; null where a person wrote it or the engine has none. */
  confidence: number | null;
}

/** Scripts that put no spaces between words: each character is a piece. */
const PIECE = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}][\p{P}\p{M}]*|[^\s\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]+/gu;

/** Above this many comparisons two texts are aligned only at their ends. */
const MAX_CELLS = 250_000;

interface Piece {
  text: string;
  gap: string;
}

interface Heard {
  key: string;
  startMs: number;
  endMs: number;
  confidence: number | null;
}

/**
 * The text of the segment, or another one in its place, in pieces with their times.
 *
 * Pieces that the engine heard have its times; those between share the time that is left. The pieces together are the
 * text, up to white space at its ends.
 */
export function timed(segment: Segment, text = segment.text): Timed[] {
  const pieces = split(text);
  const heard = segment.words.flatMap(parts);
  const match = align(pieces.map((piece) => key(piece.text)), heard.map((word) => word.key));
  const out: Timed[] = [];
  for (let index = 0; index < pieces.length; ) {
    const found = match[index] ?? -1;
    const word = heard[found];
    const piece = pieces[index];
    if (word !== undefined && piece !== undefined) {
      out.push({ ...piece, startMs: word.startMs, endMs: word.endMs, confidence: word.confidence });
      index += 1;
      continue;
    }
    let end = index;
    while (end < pieces.length && (match[end] ?? -1) < 0) {
      end += 1;
    }
    const before = out.at(-1)?.endMs ?? segment.start_ms;
    const after = heard[match[end] ?? -1]?.startMs ?? Math.max(segment.end_ms, before);
    out.push(...spread(pieces.slice(index, end), before, Math.max(before, after)));
    index = end;
  }
  return out;
}

/** Segments looked back at for one that still goes on while a later one is over already. */
const BACK = 8;

/** Which of the segments is said at the time: the last that began, or one before it that goes on longer; -1 before all. */
export function segmentAt(segments: readonly Pick<Segment, "start_ms" | "end_ms">[], ms: number): number {
  const last = below(segments.length, (index) => (segments[index]?.start_ms ?? 0) <= ms);
  for (let index = last; index > last - BACK; index -= 1) {
    if ((segments[index]?.end_ms ?? 0) > ms) {
      return index;
    }
  }
  return last;
}

/** Which of the pieces is said at the time; -1 between words that are further apart than a breath. */
export function pieceAt(pieces: readonly Timed[], ms: number, breathMs = 400): number {
  const index = below(pieces.length, (at) => (pieces[at]?.startMs ?? 0) <= ms);
  const piece = pieces[index];
  return piece !== undefined && ms < piece.endMs + breathMs ? index : -1;
}

/** The last of so many for which it holds, or -1; it holds for none after one for which it does not. */
function below(count: number, holds: (index: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low - 1;
}

function split(text: string): Piece[] {
  const found = [...text.matchAll(PIECE)];
  return found.map((match, at) => {
    const end = match.index + match[0].length;
    const next = found[at + 1]?.index ?? end;
    return { text: match[0], gap: text.slice(end, next) };
  });
}

/** A heard word as pieces: one of several characters without spaces is said evenly. */
function parts(word: Word): Heard[] {
  const pieces = split(word.text);
  const each = (word.end_ms - word.start_ms) / Math.max(pieces.length, 1);
  return pieces.map((piece, at) => ({
    key: key(piece.text),
    startMs: Math.round(word.start_ms + at * each),
    endMs: Math.round(word.start_ms + (at + 1) * each),
    confidence: word.confidence,
  }));
}

/** What makes two pieces the same: neither case nor marks. */
function key(text: string): string {
  return text.toLowerCase().replace(/[\p{P}\p{S}]/gu, "") || text;
}

/** For each of `wanted` the index of the same one in `given`, or -1; the indices rise. */
function align(wanted: readonly string[], given: readonly string[]): number[] {
  const match = new Array<number>(wanted.length).fill(-1);
  let head = 0;
  while (head < wanted.length && head < given.length && wanted[head] === given[head]) {
    match[head] = head;
    head += 1;
  }
  let tail = 0;
  while (
    tail < wanted.length - head &&
    tail < given.length - head &&
    wanted[wanted.length - 1 - tail] === given[given.length - 1 - tail]
  ) {
    tail += 1;
    match[wanted.length - tail] = given.length - tail;
  }
  const rows = wanted.length - head - tail;
  const columns = given.length - head - tail;
  if (rows > 0 && columns > 0 && rows * columns <= MAX_CELLS) {
    for (const [row, column] of common(wanted.slice(head, head + rows), given.slice(head, head + columns))) {
      match[head + row] = head + column;
    }
  }
  return match;
}

/** The pairs of a longest common subsequence. */
function common(left: readonly string[], right: readonly string[]): [number, number][] {
  const width = right.length + 1;
  const longest = new Uint32Array((left.length + 1) * width);
  const at = (row: number, column: number): number => longest[row * width + column] ?? 0;
  for (let row = left.length - 1; row >= 0; row -= 1) {
    for (let column = right.length - 1; column >= 0; column -= 1) {
      longest[row * width + column] =
        left[row] === right[column] ? at(row + 1, column + 1) + 1 : Math.max(at(row + 1, column), at(row, column + 1));
    }
  }
  const pairs: [number, number][] = [];
  for (let row = 0, column = 0; row < left.length && column < right.length; ) {
    if (left[row] === right[column]) {
      pairs.push([row, column]);
      row += 1;
      column += 1;
    } else if (at(row + 1, column) >= at(row, column + 1)) {
      row += 1;
    } else {
      column += 1;
    }
  }
  return pairs;
}

/** These pieces one after the other in this time, each as long as it is written. */
function spread(pieces: readonly Piece[], startMs: number, endMs: number): Timed[] {
  const total = pieces.reduce((sum, piece) => sum + piece.text.length, 0) || 1;
  let done = 0;
  return pieces.map((piece) => {
    const from = Math.round(startMs + ((endMs - startMs) * done) / total);
    done += piece.text.length;
    const to = Math.round(startMs + ((endMs - startMs) * done) / total);
    return { ...piece, startMs: from, endMs: to, confidence: null };
  });
}
