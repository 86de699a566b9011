/** What a person wrote in the place of what was heard, in one file: pure, bounded, and each change can be undone. */

/** By the index of the segment, as written. */
export type Texts = Record<number, string>;

/** One change: from and to `null` is what was heard. */
interface Change {
  index: number;
  from: string | null;
  to: string | null;
}

export interface Edits {
  texts: Texts;
  past: Change[];
  future: Change[];
}

/** Changes that can be undone. */
export const MAX_PAST = 200;

/** Characters of one segment. */
export const MAX_TEXT = 4000;

export const NO_EDITS: Edits = { texts: {}, past: [], future: [] };

/** With the segment changed to this text; `null`, and what was heard itself, take the edit away. */
export function edited(edits: Edits, index: number, text: string | null, heard: string): Edits {
  const wanted = text === null ? null : tidy(text);
  const to = wanted === null || wanted === heard.trim() ? null : wanted;
  const from = edits.texts[index] ?? null;
  if (from === to) {
    return edits;
  }
  const change = { index, from, to };
  return { texts: put(edits.texts, index, to), past: [...edits.past, change].slice(-MAX_PAST), future: [] };
}

export function undone(edits: Edits): Edits {
  const last = edits.past.at(-1);
  if (last === undefined) {
    return edits;
  }
  return {
    texts: put(edits.texts, last.index, last.from),
    past: edits.past.slice(0, -1),
    future: [...edits.future, last],
  };
}

export function redone(edits: Edits): Edits {
  const next = edits.future.at(-1);
  if (next === undefined) {
    return edits;
  }
  return { texts: put(edits.texts, next.index, next.to), past: [...edits.past, next], future: edits.future.slice(0, -1) };
}

export function countOf(edits: Edits): number {
  return Object.keys(edits.texts).length;
}

/** One line: a segment has no line ends of its own. */
function tidy(text: string): string {
  return text.replace(/\s+/gu, " ").trim().slice(0, MAX_TEXT);
}

function put(texts: Texts, index: number, text: string | null): Texts {
  const others = Object.entries(texts).filter(([key]) => key !== String(index));
  return Object.fromEntries<string>(text === null ? others : [...others, [String(index), text]]);
}
