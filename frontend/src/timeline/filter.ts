/** Which actions are looked at. */

import { type Column, rowsOf } from "./column.js";
import { type Group, GROUPS, type Row } from "./rows.js";

export interface Filter {
  /** A group of types, one type, or empty for all. */
  kind: string;
  text: string;
  utterance: number | null;
}

export const ALL: Filter = { kind: "", text: "", utterance: null };

export function isGroup(kind: string): kind is Group {
  return (GROUPS as readonly string[]).includes(kind);
}

/** The indices of the rows that pass; null where all do. */
export function passing(rows: Column<Row>, { kind, text, utterance }: Filter): number[] | null {
  if (kind === "" && text === "" && utterance === null) {
    return null;
  }
  const wanted = text.toLowerCase();
  const found: number[] = [];
  let index = 0;
  for (const row of rowsOf(rows)) {
    const isKind = kind === "" || row.group === kind || row.type === kind;
    const isUtterance = utterance === null || row.utterance === utterance;
    if (isKind && isUtterance && (wanted === "" || says(row, wanted))) {
      found.push(index);
    }
    index += 1;
  }
  return found;
}

function says({ type, text }: Row, wanted: string): boolean {
  return text.toLowerCase().includes(wanted) || type.toLowerCase().includes(wanted);
}

/** The types that occur, in alphabetical order. */
export function typesOf(rows: Column<Row>): string[] {
  const found = new Set<string>();
  for (const { type } of rowsOf(rows)) {
    found.add(type);
  }
  return [...found].sort();
}
