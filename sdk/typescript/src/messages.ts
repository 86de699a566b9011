/** The messages of the native protocol, v1. Written by tools/make_typescript.py: edit src/asr_hub/wire/messages.py. */

export const VERSION = 1;

/** Another thing that may have been said. */
export interface Alternative {
  text: string;
  confidence: number | null;
}

/** Come back to a session that lives, or watch it. Answered by `ready`, then by what was missed. */
export interface Attach {
  type: "attach";
  session: string;
  role?: Role;
  seq?: number | null;
  take_over?: boolean;
}

/** The hub has taken this much audio; the client may forget it. */
export interface AudioAck {
  type: "audio-ack";
  audio_offset: number;
  seq: number;
  skipped?: number;
}

/** How to read raw audio bytes. */
export interface AudioFormat {
  sample_rate: number;
  channels: number;
  encoding: Encoding;
}

/** Forget what is not final. Answered by `endpoint`; no `final` follows for that utterance. */
export interface Clear {
  type: "clear";
}

/** No more audio. What is left is finalised, then `closed` comes. */
export interface Close {
  type: "close";
}

/** The session is over. Nothing follows. */
export interface Closed {
  type: "closed";
  reason: string;
  audio_offset: number;
  seq: number;
  skipped?: number;
}

/** Change a running session. Holds from the next utterance on; absent fields stay as they are. */
export interface Configure {
  type: "configure";
  provider?: string | null;
  language?: string | null;
  hotwords?: readonly string[] | null;
  hotword_weights?: Readonly<Record<string, number>> | null;
  partials?: boolean | null;
  levels?: boolean | null;
  wait_for?: Pass | null;
}

/** How one sample of raw audio is written. */
export type Encoding = "alaw" | "mulaw" | "pcm_f32le" | "pcm_s16le";

/** The utterance is over. Its `final` follows, unless the reason is `clear`. */
export interface Endpoint {
  type: "endpoint";
  utterance: number;
  at: number;
  reason: EndpointReason;
  seq: number;
  skipped?: number;
}

/** Why an utterance is over. */
export type EndpointReason = "clear" | "close" | "engine" | "finalize" | "max-length" | "silence";

/** A request was refused, or something failed. `message` says what to do. */
export interface ErrorMessage {
  type: "error";
  code: string;
  message: string;
  retryable: boolean;
  retry_after: number | null;
  scope: "connection" | "session";
  seq: number;
  skipped?: number;
}

/** The words of the utterance. Comes once and is never taken back. */
export interface Final {
  type: "final";
  utterance: number;
  hypothesis: Hypothesis;
  reason: EndpointReason;
  latency_ms: number | null;
  seq: number;
  skipped?: number;
}

/** End the utterance now and go on. Answered by `endpoint` and `final`, even where nothing was said. */
export interface Finalize {
  type: "finalize";
}

/** What an engine thinks was said in one utterance, so far. */
export interface Hypothesis {
  text: string;
  start: number;
  end: number;
  is_final: boolean;
  stable: number;
  revision: number;
  words: readonly Word[];
  confidence: number | null;
  language: string | null;
  speaker: string | null;
  tags: Readonly<Record<string, string>>;
  alternatives: readonly Alternative[];
  provider: string;
  pass: Pass;
}

export interface Levels {
  type: "levels";
  at: number;
  rms_db: number;
  peak_db: number;
  seq: number;
  skipped?: number;
}

/** Replaces the partial before it. */
export interface PartialMessage {
  type: "partial";
  utterance: number;
  hypothesis: Hypothesis;
  seq: number;
  skipped?: number;
}

/** Which look at the utterance a hypothesis comes from. */
export type Pass = "accurate" | "corrected" | "fast";

/** The latest reading of one utterance. */
export interface Reading {
  utterance: number;
  hypothesis: Hypothesis;
}

/** The connection is attached. Send audio from `audio_offset` on. */
export interface Ready {
  type: "ready";
  session: string;
  role: Role;
  provider: string;
  format: AudioFormat;
  audio_offset: number;
  resume_window: number;
  version: number;
  seq: number;
  skipped?: number;
}

/**
 * What follows the last `seq` of this reader is no longer kept: forget what was shown, show this, and go on.
 *
 * `seq` is where the session stands. Only event streams send it; a WebSocket is told `resume-gap` or `slow-client`.
 */
export interface Reset {
  type: "reset";
  finals: readonly Reading[];
  provider: string;
  audio_offset: number;
  partial: Reading | null;
  seq: number;
  skipped?: number;
}

/** A later pass read the utterance, or who speaks was told late. The final before it stays in the history. */
export interface Revision {
  type: "revision";
  utterance: number;
  hypothesis: Hypothesis;
  latency_ms: number | null;
  seq: number;
  skipped?: number;
}

/** What a connection may do with the session it is attached to. */
export type Role = "publisher" | "viewer";

export interface SpeechStarted {
  type: "speech-started";
  utterance: number;
  at: number;
  seq: number;
  skipped?: number;
}

/** Open a session and become its publisher. Answered by `ready`. */
export interface Start {
  type: "start";
  format?: Partial<AudioFormat>;
  provider?: string | null;
  language?: string | null;
  hotwords?: readonly string[];
  hotword_weights?: Readonly<Record<string, number>>;
  partials?: boolean;
  levels?: boolean;
  wait_for?: Pass;
}

/** The phrase was heard: the session listens. */
export interface WakeWord {
  type: "wake-word";
  phrase: string;
  at: number;
  seq: number;
  skipped?: number;
}

/** Something is not as asked for, and the session goes on. */
export interface Warning {
  type: "warning";
  code: string;
  message: string;
  seq: number;
  skipped?: number;
}

/** One word of a hypothesis. */
export interface Word {
  text: string;
  start: number;
  end: number;
  confidence: number | null;
}

/** What a client sends. */
export type ClientMessage =
  | Start
  | Attach
  | Configure
  | Finalize
  | Clear
  | Close;

/** What the hub sends. */
export type ServerMessage =
  | Ready
  | SpeechStarted
  | PartialMessage
  | Endpoint
  | Final
  | Revision
  | WakeWord
  | AudioAck
  | Levels
  | Warning
  | ErrorMessage
  | Reset
  | Closed;

interface Shape {
  /** Fields that a message may leave out, and what they are then. */
  readonly defaults: Readonly<Record<string, unknown>>;
  readonly required: readonly string[];
  /** Fields that hold a shape, or an array of them. */
  readonly parts: Readonly<Record<string, string>>;
}

/** A message of a newer hub, to be ignored; it takes its place in the count like any other. */
export interface UnknownMessage {
  type: "unknown";
  seq: number;
  skipped?: number;
}

/**
 * One message of the hub, with the defaults filled in.
 *
 * Fields that are not known stay where they are. Throws a SyntaxError for what is no message of this protocol.
 */
export function readMessage(text: string): ServerMessage | UnknownMessage {
  const value: unknown = JSON.parse(text);
  if (!isObject(value) || typeof value["type"] !== "string") {
    throw new SyntaxError("a message without a type came from the hub; is it an ASR Hub?");
  }
  const name = Object.hasOwn(SERVER_MESSAGES, value["type"]) ? SERVER_MESSAGES[value["type"]] : undefined;
  if (name === undefined) {
    return { type: "unknown", seq: count(value["seq"]), skipped: count(value["skipped"]) };
  }
  // The table is made from the same schema as the type.
  return complete(value, name) as ServerMessage;
}

function complete(value: unknown, name: string): unknown {
  const shape = SHAPES[name];
  if (Array.isArray(value)) {
    return value.map((one: unknown) => complete(one, name));
  }
  if (shape === undefined || !isObject(value)) {
    return value;
  }
  const missing = shape.required.find((field) => !(field in value));
  if (missing !== undefined) {
    throw new SyntaxError(`a message without its field "${missing}" came from the hub; is it an ASR Hub?`);
  }
  const whole: Record<string, unknown> = { ...structuredClone(shape.defaults), ...value };
  for (const [field, part] of Object.entries(shape.parts)) {
    whole[field] = complete(whole[field], part);
  }
  return whole;
}

function count(value: unknown): number {
  return typeof value === "number" ? value : 0;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** From the type of a message to the name of its shape. */
const SERVER_MESSAGES: Readonly<Record<string, string>> = {
  "ready": "Ready",
  "speech-started": "SpeechStarted",
  "partial": "PartialMessage",
  "endpoint": "Endpoint",
  "final": "Final",
  "revision": "Revision",
  "wake-word": "WakeWord",
  "audio-ack": "AudioAck",
  "levels": "Levels",
  "warning": "Warning",
  "error": "ErrorMessage",
  "reset": "Reset",
  "closed": "Closed",
};

const SHAPES: Readonly<Record<string, Shape>> = {
  Alternative: { defaults: {"confidence": null}, required: ["text"], parts: {} },
  AudioAck: { defaults: {"seq": 0}, required: ["type", "audio_offset"], parts: {} },
  AudioFormat: { defaults: {"sample_rate": 16000, "channels": 1, "encoding": "pcm_s16le"}, required: [], parts: {} },
  Closed: { defaults: {"audio_offset": 0, "seq": 0}, required: ["type", "reason"], parts: {} },
  Endpoint: { defaults: {"seq": 0}, required: ["type", "utterance", "at", "reason"], parts: {} },
  ErrorMessage: { defaults: {"retryable": false, "retry_after": null, "scope": "connection", "seq": 0}, required: ["type", "code", "message"], parts: {} },
  Final: { defaults: {"latency_ms": null, "seq": 0}, required: ["type", "utterance", "hypothesis", "reason"], parts: {"hypothesis": "Hypothesis"} },
  Hypothesis: { defaults: {"is_final": false, "stable": 0, "revision": 0, "words": [], "confidence": null, "language": null, "speaker": null, "tags": {}, "alternatives": [], "provider": "", "pass": "fast"}, required: ["text", "start", "end"], parts: {"words": "Word", "alternatives": "Alternative"} },
  Levels: { defaults: {"seq": 0}, required: ["type", "at", "rms_db", "peak_db"], parts: {} },
  PartialMessage: { defaults: {"seq": 0}, required: ["type", "utterance", "hypothesis"], parts: {"hypothesis": "Hypothesis"} },
  Reading: { defaults: {}, required: ["utterance", "hypothesis"], parts: {"hypothesis": "Hypothesis"} },
  Ready: { defaults: {"version": 1, "seq": 0}, required: ["type", "session", "role", "provider", "format", "audio_offset", "resume_window"], parts: {"format": "AudioFormat"} },
  Reset: { defaults: {"partial": null, "seq": 0}, required: ["type", "finals", "provider", "audio_offset"], parts: {"finals": "Reading", "partial": "Reading"} },
  Revision: { defaults: {"latency_ms": null, "seq": 0}, required: ["type", "utterance", "hypothesis"], parts: {"hypothesis": "Hypothesis"} },
  SpeechStarted: { defaults: {"seq": 0}, required: ["type", "utterance", "at"], parts: {} },
  WakeWord: { defaults: {"seq": 0}, required: ["type", "phrase", "at"], parts: {} },
  Warning: { defaults: {"seq": 0}, required: ["type", "code", "message"], parts: {} },
  Word: { defaults: {"confidence": null}, required: ["text", "start", "end"], parts: {} },
};
