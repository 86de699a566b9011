/** The actions of a timeline in short, each with its place in the audio. */

import type { Action, Numbered } from "./answers.js";

export const GROUPS = ["speech", "words", "commands", "engine", "failures", "session"] as const;

export type Group = (typeof GROUPS)[number];

/** An action in one line; the whole of it is asked for when it is looked at. */
export interface Row {
  seq: number;
  type: string;
  group: Group;
  /** Seconds since the epoch. */
  at: number;
  /** Milliseconds of audio that the hub had by then; never less than before. */
  ms: number;
  /** Milliseconds of audio that it is about. */
  from: number;
  to: number;
  utterance: number | null;
  text: string;
  /** Characters at the beginning of the text that stay; of partials. */
  stable: number;
}

/** What is known of the audio after an action. */
export interface Clock {
  ms: number;
  /** Hertz, of what `audio_offset` counts. */
  rate: number;
}

export const START: Clock = { ms: 0, rate: 16_000 };

const FAILURES = /Failed$|^\[Breaker\] Opened$|^\[Transcript\] HandedOn$|^\[Session\] Warned$|Refused$|Skipped$/;
const ENGINE = /^\[(Provider|Breaker|Hedge|Shadow)\]|^\[Transcript\] Routed$/;

export function groupOf(type: string): Group {
  if (FAILURES.test(type)) {
    return "failures";
  }
  if (ENGINE.test(type)) {
    return "engine";
  }
  if (type.startsWith("[Client]")) {
    return "commands";
  }
  if (type.startsWith("[Transcript]")) {
    return "words";
  }
  return /^\[(Speech|WakeWord|Audio)\]/.test(type) ? "speech" : "session";
}

/** The rows of some actions, and the clock after them. */
export function rowsFor(actions: readonly Numbered[], clock: Clock): [Row[], Clock] {
  let now = clock;
  const rows = actions.map(({ seq, action }) => {
    now = clockAfter(action, now);
    return rowFor(seq, action, now);
  });
  return [rows, now];
}

function clockAfter(action: Action, clock: Clock): Clock {
  const rate = number(field(action["format"], "sample_rate")) ?? clock.rate;
  const offset = number(action["audio_offset"]);
  const isPartial = action.type === "[Transcript] Revised";
  const heard = isPartial ? number(field(action["hypothesis"], "end")) : null;
  const told = number(action["audio_ms"]) ?? (offset === null ? heard : (offset / rate) * 1000);
  return { rate, ms: Math.max(clock.ms, told ?? 0) };
}

function rowFor(seq: number, action: Action, { ms }: Clock): Row {
  const hypothesis = action["hypothesis"];
  const from = number(action["audio_ms"]) ?? number(field(hypothesis, "start")) ?? ms;
  const { type, at } = action;
  return {
    seq,
    type,
    group: groupOf(type),
    at,
    ms,
    from,
    to: Math.max(from, number(field(hypothesis, "end")) ?? from),
    utterance: number(action["utterance"]),
    text: brief(action),
    stable: number(field(hypothesis, "stable")) ?? 0,
  };
}

/** What the action says, in the hub's own words. */
export function brief(action: Action): string {
  const said = field(action["hypothesis"], "text") ?? action["text"] ?? action["phrase"];
  if (typeof said === "string") {
    return said;
  }
  const parts = [
    whole(action["provider"], action["to"] ?? action["over"], action["to"] === undefined ? " ← " : " → "),
    action["role"],
    action["language"],
    action["code"],
    action["reason"],
    action["message"],
    words(action["replacements"]),
    words(action["words"]),
    offset(action),
  ];
  return parts.filter((part) => typeof part === "string" && part !== "").join(" · ");
}

function whole(first: unknown, second: unknown, between: string): string {
  return [first, second].filter((part) => typeof part === "string").join(between);
}

function words(value: unknown): string {
  if (!Array.isArray(value)) {
    return "";
  }
  const told = value.slice(0, 8).map((one: unknown) => {
    const [heard, hotword] = [field(one, "heard"), field(one, "hotword")];
    return typeof one === "string" ? one : whole(heard, hotword, " → ");
  });
  return told.join(", ") + (value.length > 8 ? ` … (${value.length})` : "");
}

function offset(action: Action): string {
  const samples = number(action["audio_offset"]);
  return samples === null || action.type !== "[Audio] Taken" ? "" : `${samples}`;
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function number(value: unknown): number | null {
  return typeof value === "number" ? value : null;
}
