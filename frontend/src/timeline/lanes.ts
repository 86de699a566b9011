/** Where things lie in the audio, for the ruler. */

import { type Column, rowsOf } from "./column.js";
import type { Row } from "./rows.js";

export interface Span {
  from: number;
  to: number;
  text: string;
}

export interface Lanes {
  speech: readonly Span[];
  /** What was said, in its latest reading. */
  utterances: readonly Span[];
  /** Milliseconds of audio, each. */
  commands: readonly number[];
  engine: readonly number[];
  failures: readonly number[];
  /** Milliseconds of audio in all. */
  end: number;
}

export const LANES = ["speech", "utterances", "commands", "engine", "failures"] as const;

export function lanesOf(rows: Column<Row>): Lanes {
  const speech: Span[] = [];
  const utterances = new Map<number, Span>();
  const points = { commands: [] as number[], engine: [] as number[], failures: [] as number[] };
  let begun: number | null = null;
  let end = 0;
  for (const row of rowsOf(rows)) {
    end = Math.max(end, row.ms, row.to);
    if (row.group === "commands" || row.group === "engine" || row.group === "failures") {
      points[row.group].push(row.ms);
    } else if (row.type === "[Speech] Started") {
      begun = row.from;
    } else if (row.type === "[Speech] Ended") {
      speech.push({ from: begun ?? row.from, to: row.from, text: "" });
      begun = null;
    } else if (row.utterance !== null && /^\[Transcript\] (Finalized|Corrected)$/.test(row.type)) {
      utterances.set(row.utterance, { from: row.from, to: row.to, text: row.text });
    }
  }
  if (begun !== null) {
    speech.push({ from: begun, to: end, text: "" });
  }
  return { speech, utterances: [...utterances.values()], ...points, end };
}

/** Milliseconds between two marks of a ruler that shows so many on so many pixels. */
export function stepOf(milliseconds: number, pixels: number): number {
  const least = (milliseconds / Math.max(1, pixels)) * 70;
  return STEPS.find((step) => step >= least) ?? Math.ceil(least / 3_600_000) * 3_600_000;
}

const STEPS = [100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 1_800_000, 3_600_000];

/** What a ruler shows, in milliseconds of audio. */
export interface Range {
  from: number;
  to: number;
}

const SMALLEST = 500;

/** Shows more (`factor` above 1) or less, with `around` at its place, within what there is. */
export function zoomed({ from, to }: Range, factor: number, around: number, end: number): Range {
  const length = Math.min(Math.max(SMALLEST, (to - from) * factor), Math.max(SMALLEST, end));
  const part = to > from ? Math.min(1, Math.max(0, (around - from) / (to - from))) : 0.5;
  const start = Math.min(Math.max(0, around - part * length), Math.max(0, end - length));
  return { from: start, to: start + length };
}

/** Moved as little as needed for `ms` to be seen. */
export function showing(range: Range, ms: number): Range {
  const length = range.to - range.from;
  if (ms >= range.from && ms <= range.to) {
    return range;
  }
  const from = Math.max(0, ms - length / 2);
  return { from, to: from + length };
}
