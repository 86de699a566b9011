/** The sessions that this page speaks in or watches, by their id. */

import type { UnknownAction } from "@reduxjs/toolkit";
import type { AudioFormat, Role } from "asr-hub-client";

import { ATTACHED, CONNECTION, type Fact, FORGOTTEN, isFact, LOST, type MessageFact, RESTORED } from "./facts.js";
import { EMPTY, heard, restored, type Transcript } from "./transcript.js";

/** Something that was told about the session and is no text. */
export interface Note {
  seq: number;
  kind: "warning" | "error" | "gap" | "wake-word";
  code: string;
  text: string;
}

export interface SessionState {
  id: string;
  role: Role;
  provider: string;
  format: AudioFormat;
  via: string;
  connection: "live" | "broken" | "closed" | "lost";
  /** Of `closed`, or why it is lost. */
  ending: string | null;
  seq: number;
  /** Samples that the hub has taken. */
  acknowledged: number;
  /** The utterance that is being said. */
  speaking: number | null;
  transcript: Transcript;
  /** The newest last. */
  notes: readonly Note[];
  gaps: number;
}

export type Sessions = Readonly<Record<string, SessionState>>;

const NOTES = 20;

/** Pure, and by hand: a fact costs the same after an hour as after a second. */
function reduce(state: Sessions = {}, action: UnknownAction): Sessions {
  if (!isFact(action)) {
    return state;
  }
  const id = action.meta.session;
  if (action.type === FORGOTTEN) {
    return Object.fromEntries(Object.entries(state).filter(([one]) => one !== id));
  }
  const before = state[id];
  const after = action.type === ATTACHED ? attached(before, action) : before && told(before, action);
  return after === undefined || after === before ? state : { ...state, [id]: after };
}

/** A slice for `combineSlices`. */
export const sessions = { reducerPath: "sessions" as const, reducer: reduce };

function attached(before: SessionState | undefined, { payload, meta }: Extract<Fact, { type: typeof ATTACHED }>): SessionState {
  const { role, provider, format, audio_offset } = payload;
  // Who speaks here is told everything already.
  if (before?.role === "publisher" && before.connection === "live" && role === "viewer") {
    return before;
  }
  const now = { role, provider, format, via: meta.via, connection: "live", seq: meta.seq, acknowledged: audio_offset } as const;
  const first = { id: meta.session, ending: null, speaking: null, transcript: EMPTY, notes: [], gaps: 0 };
  return { ...first, ...before, ...now };
}

function told(before: SessionState, action: Exclude<Fact, { type: typeof ATTACHED | typeof FORGOTTEN }>): SessionState {
  switch (action.type) {
    case CONNECTION:
      return before.connection === "closed" ? before : { ...before, connection: action.payload.state, via: action.meta.via };
    case LOST:
      return { ...before, connection: "lost", ending: action.payload.message, speaking: null };
    case RESTORED:
      return { ...before, transcript: restored(action.payload.lines) };
    default: {
      if (isKnown(before, action)) {
        return before;
      }
      const transcript = heard(before.transcript, action.payload);
      return { ...before, ...change(before, action.payload), transcript, seq: action.meta.seq };
    }
  }
}

/** Two readers of one session are told the same; what has no number of its own is for one of them. */
function isKnown({ seq }: SessionState, { payload, meta }: MessageFact): boolean {
  const isNumbered = payload.type !== "gap" && payload.type !== "reset" && !(payload.type === "error" && payload.scope === "connection");
  return isNumbered && meta.seq <= seq;
}

type Message = MessageFact["payload"];

function change(before: SessionState, message: Message): Partial<SessionState> {
  switch (message.type) {
    case "speech-started":
      return { speaking: message.utterance };
    case "endpoint":
      return { speaking: null };
    case "final":
      return message.hypothesis.provider === "" ? {} : { provider: message.hypothesis.provider };
    case "audio-ack":
      return { acknowledged: message.audio_offset };
    case "reset":
      return { acknowledged: message.audio_offset, provider: message.provider };
    case "warning":
    case "error":
      return { notes: noted(before, { seq: message.seq, kind: message.type, code: message.code, text: message.message }) };
    case "wake-word":
      return { notes: noted(before, { seq: message.seq, kind: "wake-word", code: "wake-word", text: message.phrase }) };
    case "gap":
      return { gaps: before.gaps + 1 };
    case "closed":
      return { connection: "closed", ending: message.reason, acknowledged: message.audio_offset, speaking: null };
    default:
      return {};
  }
}

function noted({ notes }: SessionState, note: Note): readonly Note[] {
  return [...notes, note].slice(-NOTES);
}
