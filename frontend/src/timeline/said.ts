/** What had been said when an action came, out of the actions up to it. */

import { type Column, rowsOf } from "./column.js";
import type { Row } from "./rows.js";

/** One utterance, as it stood then. */
export interface Said {
  utterance: number;
  text: string;
  /** Readings before this one, the oldest first. */
  former: readonly string[];
  /** Characters at the beginning that stay; null where it is final. */
  stable: number | null;
  from: number;
  to: number;
  /** The action that said so; null where that lies before the first one. */
  seq: number | null;
}

/** `before`: what was said before the first action. Costs a walk over the actions before `place`. */
export function saidAt(rows: Column<Row>, place: number, before: readonly Said[] = []): Said[] {
  const found = new Map(before.map((one) => [one.utterance, one]));
  let partial: Said | undefined;
  for (const row of rowsOf(rows, place)) {
    const { utterance } = row;
    if (utterance === null) {
      continue;
    }
    switch (row.type) {
      case "[Transcript] Revised":
        partial = found.has(utterance) ? partial : said(row, utterance, [], row.stable);
        break;
      case "[Transcript] Finalized":
        partial = partial?.utterance === utterance ? undefined : partial;
        found.set(utterance, said(row, utterance, [], null));
        break;
      case "[Transcript] Corrected": {
        const known = found.get(utterance);
        const former = known === undefined || known.text === row.text ? (known?.former ?? []) : [...known.former, known.text];
        found.set(utterance, said(row, utterance, former, null));
        break;
      }
      case "[Transcript] HandedOn":
        partial = partial?.utterance === utterance ? undefined : partial;
        break;
      case "[Speech] Ended":
        partial = partial?.utterance === utterance && row.text === "clear" ? undefined : partial;
        break;
    }
  }
  const all = [...found.values()].sort((one, other) => one.utterance - other.utterance);
  return (partial === undefined ? all : [...all, partial]).filter(({ text, former }) => text !== "" || former.length > 0);
}

function said({ text, from, to, seq }: Row, utterance: number, former: readonly string[], stable: number | null): Said {
  return { utterance, text, former, stable, from, to, seq };
}
