/** What is to be said next, what was said already, and what is to be kept until the hub has it: without any I/O. */

import { AsrHubError, ConnectionFailed, HubError } from "./errors.js";
import type {
  Attach,
  AudioFormat,
  Clear,
  Close,
  Configure,
  Encoding,
  ErrorMessage,
  Finalize,
  Ready,
  ServerMessage,
  Start,
  UnknownMessage,
} from "./messages.js";

/** A command of the publisher. */
export type Command = Configure | Finalize | Clear | Close;

/** Messages between these two are gone: the hub no longer kept them when the connection came back. */
export interface Gap {
  type: "gap";
  /** The last `seq` that was told. */
  after: number;
  /** The `seq` that is told next, at the earliest. */
  next: number;
}

/** What a session tells its reader. */
export type SessionMessage = Exclude<ServerMessage, Ready> | Gap;

/** What the connection is to send next. */
export type Outgoing =
  | {
      kind: "audio";
      /** The sample, counted per channel since the session began, at which it begins. */
      offset: number;
      data: Uint8Array<ArrayBuffer>;
    }
  | { kind: "command"; message: Command };

/** How a connection ended. */
export interface Ending {
  /** A close code of RFC 6455. 1006 is a connection that broke without a word. */
  code: number;
  reason?: string;
  /** What the transport was told outside the messages, such as by an HTTP status. */
  error?: Error | undefined;
}

/** What follows from the end of a connection; without an error the session is over as it should be. */
export interface Verdict {
  comesBack: boolean;
  error?: Error;
}

export interface CoreLimits {
  /** Seconds of audio that are kept until the hub has acknowledged them. */
  keepSeconds: number;
  /** Seconds of audio that may be on their way, ahead of what the hub has acknowledged. */
  aheadSeconds: number;
}

export const LIMITS: CoreLimits = { keepSeconds: 60, aheadSeconds: 10 };

/** Commands that may wait for their answer. */
export const MAX_COMMANDS = 256;

/** Seconds of audio in one message. */
const FRAME = 0.1;

/** Close codes that do not speak against coming back. */
const BROKEN = new Set([1000, 1001, 1005, 1006, 1011, 1012, 1013]);

/** Errors that are answered by coming back, though asking the same again would not help. */
const COME_BACK = new Set(["slow-client", "shutting-down", "internal", "start-timeout", "audio-gap", "resume-gap"]);

const WIDTHS: Record<Encoding, number> = { pcm_s16le: 2, pcm_f32le: 4, mulaw: 1, alaw: 1 };

type Entry = { at: number; end: number; data: Uint8Array<ArrayBuffer> } | { at: number; command: Command };

/** Bytes of one sample of every channel. */
export function frameBytes(format: AudioFormat): number {
  return format.channels * WIDTHS[format.encoding];
}

/**
 * One session as its client sees it.
 *
 * The transport asks `opening` what to say first, hands over what comes by `receive`, takes what goes out from `next`,
 * and says `broke` when the connection ended. The same calls give the same answers: there is no clock and no chance.
 */
export class SessionCore {
  /** `opening`: not attached on this connection yet. `over`: nothing follows. */
  state: "opening" | "live" | "over" = "opening";
  /** Of the newest connection. */
  ready: Ready | undefined;
  /** The last `seq` that was told. */
  seq = 0;
  /** Samples that the hub has taken. */
  acknowledged = 0;

  readonly #limits: CoreLimits;
  #entries: Entry[] = [];
  /** How many of the entries have been sent on this connection. */
  #sent = 0;
  #commands = 0;
  /** Where the next audio begins. */
  #end = 0;
  #kept = 0;
  /** The error that was the last thing said on this connection. */
  #error: ErrorMessage | undefined;
  #isGapAccepted = false;
  #isClosing = false;
  /** The hub closes the session by itself and takes nothing more; `closed` comes. */
  #isEnding = false;

  constructor(
    private readonly first: Start | Attach,
    limits: Partial<CoreLimits> = {},
  ) {
    this.#limits = { ...LIMITS, ...limits };
  }

  get format(): AudioFormat {
    return this.#attached.format;
  }

  /** Whether the hub still owes something for what was sent: more than the second between two acknowledgements. */
  get isOwed(): boolean {
    if (this.state !== "live" || this.#sent === 0) {
      return false;
    }
    const { audio, commands } = this.#entries.slice(0, this.#sent).reduce(
      (sum, entry) =>
        "data" in entry
          ? { ...sum, audio: sum.audio + entry.end - entry.at }
          : { ...sum, commands: sum.commands + (entry.command.type === "configure" ? 0 : 1) },
      { audio: 0, commands: 0 },
    );
    return commands > 0 || audio > 2 * this.format.sample_rate;
  }

  /** Bytes of audio that `push` would keep now. */
  get room(): number {
    return Math.max(0, this.#bytes(this.#limits.keepSeconds) - this.#kept);
  }

  /** The audio that was pushed and that the hub has not taken. */
  get unheard(): Uint8Array<ArrayBuffer> {
    const parts = this.#entries.flatMap((entry) => {
      if (!("data" in entry)) {
        return [];
      }
      return [entry.data.subarray(Math.max(0, this.acknowledged - entry.at) * frameBytes(this.format))];
    });
    const whole = new Uint8Array(parts.reduce((size, part) => size + part.byteLength, 0));
    parts.reduce((at, part) => (whole.set(part, at), at + part.byteLength), 0);
    return whole;
  }

  /** The first message of a new connection. */
  opening(): Start | Attach {
    const ready = this.ready;
    if (ready === undefined) {
      return this.first;
    }
    const attach: Attach = { type: "attach", session: ready.session, role: ready.role };
    if (!this.#isGapAccepted) {
      attach.seq = this.seq;
    }
    if (ready.role === "publisher") {
      attach.take_over = true;
    }
    return attach;
  }

  /** One message of the hub; what its reader is to be told, in order. */
  receive(message: ServerMessage | UnknownMessage): SessionMessage[] {
    this.#error = undefined;
    switch (message.type) {
      case "ready":
        return this.#attach(message);
      case "error":
        this.#error = message;
        this.#isEnding ||= message.code === "closing";
        if (message.scope === "connection") {
          // A `close` that was sent twice is refused the second time, and answered all the same.
          return this.state !== "live" || (this.#isClosing && message.code === "closing") ? [] : [message];
        }
        return this.#count(message);
      case "reset":
        this.seq = message.seq;
        this.acknowledge(message.audio_offset);
        return [message];
      default:
        return this.#count(message);
    }
  }

  /** Keep audio until the hub has it. `data` is copied. Throws where it is not whole samples, or where there is no room. */
  push(data: Uint8Array): void {
    const frame = frameBytes(this.format);
    if (data.byteLength % frame !== 0) {
      throw new RangeError(`audio comes in whole samples of every channel: a multiple of ${frame} bytes`);
    }
    if (data.byteLength > this.room) {
      throw new RangeError("no room: wait until the hub has taken more");
    }
    this.#mustSpeak();
    const step = this.#bytes(FRAME);
    for (let at = 0; at < data.byteLength; at += step) {
      const piece = data.slice(at, at + step);
      const end = this.#end + piece.byteLength / frame;
      this.#entries.push({ at: this.#end, end, data: piece });
      this.#end = end;
      this.#kept += piece.byteLength;
    }
  }

  /** A command at its place in the audio. Throws where too many wait for their answer. */
  command(command: Command): void {
    this.#mustSpeak();
    if (this.#commands >= MAX_COMMANDS) {
      throw new AsrHubError(`${MAX_COMMANDS} commands wait for their answer; send no more of them until then`);
    }
    this.#isClosing ||= command.type === "close";
    this.#commands += 1;
    this.#entries.push({ at: this.#end, command });
  }

  /** What to send next on this connection; undefined while there is nothing, or the hub is to acknowledge first. */
  next(): Outgoing | undefined {
    const entry = this.#entries[this.#sent];
    if (this.state !== "live" || entry === undefined || this.#isEnding) {
      return undefined;
    }
    if ("command" in entry) {
      this.#sent += 1;
      return { kind: "command", message: entry.command };
    }
    if (entry.end - this.acknowledged > Math.max(this.#limits.aheadSeconds, 2) * this.format.sample_rate) {
      return undefined;
    }
    this.#sent += 1;
    return { kind: "audio", offset: entry.at, data: entry.data };
  }

  /** The hub has taken the audio before this sample. */
  acknowledge(offset: number): void {
    if (offset <= this.acknowledged) {
      return;
    }
    this.acknowledged = offset;
    // A command is kept until audio that came after it was taken, and that proves that the hub has read it.
    this.#forgetWhile((entry) => ("data" in entry ? entry.end <= offset : entry.at < offset));
  }

  /**
   * The connection ended: whether to come back, or why the session is lost.
   *
   * After it, `opening` is the first message of the next connection.
   */
  broke(ending: Ending): Verdict {
    const state = this.state;
    if (state === "over") {
      return { comesBack: false };
    }
    const said = this.#error;
    this.#error = undefined;
    this.state = "opening";
    this.#sent = 0;
    if (said === undefined) {
      return this.#judge(ending.error, ending);
    }
    const told = new HubError(said.code, said.message, said.retryable, said.retry_after);
    // A live connection that breaks without a close frame may break just after a refusal that was no reason to hang up.
    const isCut = state === "live" && (ending.code === 1005 || ending.code === 1006);
    return isCut ? { comesBack: true, error: told } : this.#judge(told, ending);
  }

  #judge(error: Error | undefined, ending: Ending): Verdict {
    if (error instanceof HubError) {
      this.#isGapAccepted ||= error.code === "resume-gap";
      // What was on its way to a session that ends is refused, until the connection is; its last message can still be read.
      const isRefusedToo = this.#isEnding && error.code === "too-many-errors";
      return { comesBack: error.retryable || isRefusedToo || COME_BACK.has(error.code), error };
    }
    const cause = error ?? new ConnectionFailed(`the connection ended: ${ending.code} ${ending.reason ?? ""}`.trim());
    return { comesBack: BROKEN.has(ending.code), error: cause };
  }

  #attach(ready: Ready): SessionMessage[] {
    const before = this.ready;
    this.ready = ready;
    this.state = "live";
    this.#isGapAccepted = false;
    const told: SessionMessage[] = [];
    if (before === undefined) {
      this.#end = ready.audio_offset;
      this.seq = ready.seq;
    } else if (ready.seq > this.seq) {
      told.push({ type: "gap", after: this.seq, next: ready.seq + 1 });
      this.seq = ready.seq;
    }
    this.#rewind(ready.audio_offset);
    return told;
  }

  /** Send again from this sample. */
  #rewind(offset: number): void {
    this.acknowledge(offset);
    this.#sent = 0;
    const bytes = frameBytes(this.format);
    for (const entry of this.#entries) {
      if ("data" in entry) {
        if (entry.at < offset) {
          const taken = (offset - entry.at) * bytes;
          this.#kept -= taken;
          entry.data = entry.data.slice(taken);
          entry.at = offset;
        }
        break;
      }
    }
    this.#end = Math.max(this.#end, offset);
  }

  #count(message: Exclude<ServerMessage, Ready> | UnknownMessage): SessionMessage[] {
    if (message.seq <= this.seq) {
      return [];
    }
    const told: SessionMessage[] = [];
    const first = message.seq - (message.skipped ?? 0);
    if (first > this.seq + 1) {
      told.push({ type: "gap", after: this.seq, next: first });
    }
    this.seq = message.seq;
    if (message.type === "unknown") {
      return told;
    }
    if (message.type === "audio-ack") {
      this.acknowledge(message.audio_offset);
    } else if (message.type === "endpoint" && (message.reason === "finalize" || message.reason === "clear")) {
      this.#answer(message.reason);
    } else if (message.type === "closed") {
      this.state = "over";
      this.acknowledge(message.audio_offset);
    }
    told.push(message);
    return told;
  }

  /** The oldest command of this type was obeyed, and so was read whatever had been said before it. */
  #answer(type: Command["type"]): void {
    const at = this.#entries.findIndex((entry) => "command" in entry && entry.command.type === type);
    if (at < 0 || at >= this.#sent) {
      return;
    }
    for (const entry of this.#entries.splice(at, 1)) {
      this.#release(entry);
    }
    this.#sent -= 1;
  }

  #forgetWhile(isDone: (entry: Entry) => boolean): void {
    let count = 0;
    for (const entry of this.#entries) {
      if (!isDone(entry)) {
        break;
      }
      this.#release(entry);
      count += 1;
    }
    this.#entries.splice(0, count);
    this.#sent = Math.max(0, this.#sent - count);
  }

  #release(entry: Entry): void {
    if ("data" in entry) {
      this.#kept -= entry.data.byteLength;
    } else {
      this.#commands -= 1;
    }
  }

  #mustSpeak(): void {
    if (this.#attached.role !== "publisher") {
      throw new AsrHubError("a viewer only listens; open a session, or attach as its publisher, to speak");
    }
    if (this.#isClosing || this.state === "over") {
      throw new AsrHubError("the session is closed or closing: it takes nothing more");
    }
  }

  /** Bytes of so many seconds, in whole samples of every channel. */
  #bytes(seconds: number): number {
    return Math.max(1, Math.floor(seconds * this.format.sample_rate)) * frameBytes(this.format);
  }

  get #attached(): Ready {
    if (this.ready === undefined) {
      throw new AsrHubError("the session is not open yet");
    }
    return this.ready;
  }
}

/** Seconds to wait before the connection is tried for the `attempt`th time, from 0. `chance` is from 0 to 1. */
export function backoff(attempt: number, chance: number): number {
  return attempt === 0 ? 0 : Math.min(8, 0.125 * 2 ** attempt) * (0.5 + chance / 2);
}
