/** A text as its words and what lies between them. */

import type { Word } from "asr-hub-client";

export interface Segment {
  text: string;
  word: Word | undefined;
}

/** The words in their places; a word that the text does not have is left out. */
export function segments(text: string, words: readonly Word[]): Segment[] {
  const parts: Segment[] = [];
  let at = 0;
  for (const word of words) {
    const found = word.text === "" ? -1 : text.toLowerCase().indexOf(word.text.toLowerCase(), at);
    if (found < 0) {
      continue;
    }
    if (found > at) {
      parts.push({ text: text.slice(at, found), word: undefined });
    }
    at = found + word.text.length;
    parts.push({ text: text.slice(found, at), word });
  }
  if (at < text.length) {
    parts.push({ text: text.slice(at), word: undefined });
  }
  return parts;
}
