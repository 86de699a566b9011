/** Where in the list speech stands that gave no text. */

import { at, count, type Transcript } from "../store/transcript.js";
import type { Silent } from "./slice.js";

/** What is silent by its row, among the lines. A line that a later pass found takes its place. */
export function silentRows(transcript: Transcript, silent: readonly Silent[]): ReadonlyMap<number, Silent> {
  const rows = new Map<number, Silent>();
  for (const one of silent) {
    const index = place(transcript, one.utterance);
    if (at(transcript, index)?.utterance !== one.utterance) {
      rows.set(index + rows.size, one);
    }
  }
  return rows;
}

/** The line of a row that is not silent. */
export function lineOf(rows: ReadonlyMap<number, Silent>, row: number): number {
  return row - [...rows.keys()].filter((silent) => silent < row).length;
}

/** The index of the first line that is not before this utterance. */
function place(transcript: Transcript, utterance: number): number {
  let low = 0;
  let high = count(transcript);
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((at(transcript, middle)?.utterance ?? Infinity) < utterance) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}
