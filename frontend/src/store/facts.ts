/** What a session says, as the facts of the hub's own store: the Redux DevTools show the hub's action flow. */

import type { UnknownAction } from "@reduxjs/toolkit";
import type { Ready, SessionMessage } from "asr-hub-client";

import type { Line } from "./transcript.js";

/** The tags of src/asr_hub/store/slices, by the type of the message that tells the fact. */
export const TAGS = {
  "speech-started": "[Speech] Started",
  partial: "[Transcript] Revised",
  endpoint: "[Speech] Ended",
  final: "[Transcript] Finalized",
  revision: "[Transcript] Corrected",
  "wake-word": "[WakeWord] Heard",
  "audio-ack": "[Audio] Taken",
  levels: "[Audio] Levels",
  warning: "[Session] Warned",
  closed: "[Session] Closed",
  // These are no facts of the hub but of this reader.
  error: "[Page] Refused",
  reset: "[Page] Reset",
  gap: "[Page] Gap",
} as const satisfies Record<SessionMessage["type"], string>;

export const ATTACHED = "[Session] Attached";
export const CONNECTION = "[Page] Connection";
export const LOST = "[Page] Lost";
export const RESTORED = "[Page] Restored";
export const FORGOTTEN = "[Page] Forgotten";

/** How it came here. */
export interface Meta {
  /** The id of the session. */
  session: string;
  seq: number;
  via: string;
}

/** What a reader of a session is told beyond its messages. */
export interface Told {
  [ATTACHED]: Pick<Ready, "session" | "role" | "provider" | "format" | "audio_offset">;
  [CONNECTION]: { state: "live" | "broken" };
  [LOST]: { message: string };
  [RESTORED]: { lines: readonly Line[] };
  [FORGOTTEN]: null;
}

export type MessageFact = {
  [Type in SessionMessage["type"]]: {
    type: (typeof TAGS)[Type];
    payload: Extract<SessionMessage, { type: Type }>;
    meta: Meta;
  };
}[SessionMessage["type"]];

export type ToldFact = { [Type in keyof Told]: { type: Type; payload: Told[Type]; meta: Meta } }[keyof Told];

export type Fact = MessageFact | ToldFact;

/** One message as the fact that it tells. `levels` are for a meter and not for the store. */
export function fact(message: SessionMessage, session: string, via: string): MessageFact {
  const seq = message.type === "gap" ? message.after : message.seq;
  // The tag is that of the message's type.
  return { type: TAGS[message.type], payload: message, meta: { session, seq, via } } as MessageFact;
}

export function told<Type extends keyof Told>(type: Type, payload: Told[Type], meta: Meta): ToldFact {
  return { type, payload, meta } as ToldFact;
}

const ALL = new Set<string>([...Object.values(TAGS), ATTACHED, CONNECTION, LOST, RESTORED, FORGOTTEN]);

/** The actions of a timeline have the same types and no payload: they are as in the journal. */
export function isFact(action: UnknownAction): action is Fact & UnknownAction {
  return ALL.has(action.type) && typeof action["meta"] === "object" && "payload" in action;
}
