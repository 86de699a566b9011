/** What the hub tells of the past of a session. */

import { href } from "../router.js";

/** A fact as it is in the journal: `type`, `at` (seconds since the epoch), and the fields of its kind. */
export interface Action {
  readonly type: string;
  readonly at: number;
  readonly [field: string]: unknown;
}

export interface Numbered {
  readonly seq: number;
  readonly action: Action;
}

export interface ActionsAnswer {
  first: number;
  last: number;
  more: boolean;
  has_text: boolean;
  actions: readonly Numbered[];
}

/** By the name of the slice. */
export type State = Readonly<Record<string, unknown>>;

export interface StateAnswer {
  at: number;
  state: State;
}

export interface Cause {
  seq: number;
  link: string;
}

export interface CausesAnswer {
  at: number;
  causes: readonly Cause[];
}

export interface RecordingView {
  name: string;
  session: string;
  started_at: number;
  ended_at: number | null;
  is_live: boolean;
  facts: number;
  audio_ms: number;
  has_audio: boolean;
  bytes: number;
  provider: string;
  language: string | null;
  origin: "recorded" | "uploaded";
  text: string;
  principal: string | null;
  why_ended: string | null;
  lost_audio_ms: number;
  unread_texts: number;
  /** Why it cannot be read to its end; an older hub says nothing of it. */
  damage?: string | null;
}

export interface RecordingsAnswer {
  mode: "off" | "ask" | "on";
  recordings: readonly RecordingView[];
}

export interface SessionView {
  name: string;
  phase: string;
  provider: string;
  opened_at: number;
  audio_seconds: number;
  utterances: number;
}

/** Whose past it is. */
export interface Source {
  of: "recordings" | "sessions";
  name: string;
}

/** Where the hub tells of it. */
export function pathOf({ of, name }: Source): string {
  return `/v1/${of}/${encodeURIComponent(name)}`;
}

export function linkTo(of: Source["of"], name: string): string {
  return href({ view: "time", of, name });
}
