/** How the hub did in the last minutes: a sample every two seconds, and no more of them than are shown. */

import type { Engine, JobStats } from "./answers.js";

/** Milliseconds between two samples. */
export const EVERY = 2_000;

/** Ten minutes. */
export const KEPT = 300;

export interface Sample {
  /** Milliseconds since the epoch */
  at: number;
  sessions: number;
  slotsUsed: number;
  /** Null where the hub takes no files, or does not tell this key. */
  working: number | null;
  waiting: number | null;
  /** Milliseconds, by engine. */
  p50: Readonly<Record<string, number | null>>;
  p95: Readonly<Record<string, number | null>>;
}

export function sample(at: number, sessions: number, engines: readonly Engine[], stats: JobStats | null): Sample {
  return {
    at,
    sessions,
    slotsUsed: engines.reduce((sum, one) => sum + one.slots_used, 0),
    working: stats?.jobs["processing"] ?? null,
    waiting: stats?.jobs["queued"] ?? null,
    p50: Object.fromEntries(engines.map((one) => [one.name, one.score?.p50_ms ?? null])),
    p95: Object.fromEntries(engines.map((one) => [one.name, one.score?.p95_ms ?? null])),
  };
}

/** With one more; what is older than the window goes. */
export function added(samples: readonly Sample[], fresh: Sample): Sample[] {
  const oldest = fresh.at - KEPT * EVERY;
  return [...samples.filter(({ at }) => at > oldest && at < fresh.at), fresh].slice(-KEPT);
}

/** One value for each place of the window, the newest last; null where nobody looked, such as while the page was hidden. */
export function line(samples: readonly Sample[], pick: (one: Sample) => number | null | undefined): (number | null)[] {
  const values = new Array<number | null>(KEPT).fill(null);
  const newest = samples.at(-1)?.at ?? 0;
  let before: { place: number; value: number | null } | undefined;
  for (const one of samples) {
    const place = KEPT - 1 - Math.round((newest - one.at) / EVERY);
    if (place < 0) {
      continue;
    }
    const value = pick(one) ?? null;
    // A sample that came a little late leaves one place empty, which is no pause.
    if (before !== undefined && place - before.place === 2) {
      values[place - 1] = before.value;
    }
    values[place] = value;
    before = { place, value };
  }
  return values;
}
