/** What a timeline goes on from, out of the state before its first action. */

import type { State } from "./answers.js";
import { parts } from "./diff.js";
import { type Clock, START } from "./rows.js";
import type { Said } from "./said.js";

export function beginning(state: State): { clock: Clock; before: Said[] } {
  const session = only(state["sessions"]);
  const rate = parts(session?.["format"])?.["sample_rate"];
  const offset = session?.["audio_offset"];
  const hertz = typeof rate === "number" ? rate : START.rate;
  return {
    clock: { rate: hertz, ms: typeof offset === "number" ? (offset / hertz) * 1000 : 0 },
    before: Object.values(parts(only(state["transcripts"])?.["utterances"]) ?? {}).flatMap(line),
  };
}

/** The record of the session: there is no other in its past. */
function only(records: unknown): Readonly<Record<string, unknown>> | null {
  return parts(Object.values(parts(records) ?? {})[0]);
}

function line(utterance: unknown): Said[] {
  const known = parts(utterance);
  const revisions = Array.isArray(known?.["revisions"]) ? (known["revisions"] as unknown[]) : [];
  const readings = [known?.["final"], ...revisions].map(parts).filter((one) => one !== null);
  const latest = readings.at(-1);
  const number = known?.["number"];
  if (latest === undefined || typeof number !== "number") {
    return [];
  }
  const texts = readings.map(({ text }) => String(text));
  return [
    {
      utterance: number,
      text: texts.at(-1) ?? "",
      former: texts.slice(0, -1),
      stable: null,
      from: Number(latest["start"]),
      to: Number(latest["end"]),
      seq: null,
    },
  ];
}
