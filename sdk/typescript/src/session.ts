/** One session with the hub, over as many connections as it takes. */

import { backoff, type Command, type CoreLimits, type Ending, frameBytes, SessionCore, type SessionMessage } from "./core.js";
import { AsrHubError, ConnectionFailed, HubError, SessionLost } from "./errors.js";
import { Inbox } from "./inbox.js";
import type { Dial, Link } from "./link.js";
import { type Attach, type AudioFormat, type Closed, type Configure, readMessage, type Ready, type Start } from "./messages.js";
import { type AudioData, toBytes } from "./samples.js";

/** What the connection of a session does. */
export interface ConnectionChange {
  type: "connection";
  state: "live" | "broken";
}

/** The session is gone. A HubError where the hub refused its audio for good. */
export interface Lost {
  type: "lost";
  error: SessionLost | HubError;
}

/** What `on` can be asked for, by its type. */
export type SessionEvents = {
  [Type in SessionMessage["type"]]: Extract<SessionMessage, { type: Type }>;
} & { connection: ConnectionChange; lost: Lost };

export interface SessionOptions extends Partial<CoreLimits> {
  /** Come back when the connection breaks. On by default. */
  resume?: boolean;
  /** Seconds that a connection may take to open. */
  connectSeconds?: number;
  /** Seconds without a word, while the hub owes one, after which the connection is made anew. */
  stallSeconds?: number;
}

type Listener = (event: never) => void;

/** Seconds after which a connection counts as one that holds, though there was nothing to say on it. */
const HELD = 10;

/** Reasons why the hub ends a session for what its client sent, or for a defect of its own. They are codes of errors. */
const FAULTS = new Set([
  "unsupported-audio",
  "unsupported-rate",
  "unsupported-channels",
  "odd-byte-count",
  "container-in-raw-audio",
  "float32-as-int16",
  "int16-as-float32",
  "float32-not-normalised",
  "wrong-byte-order",
  "internal-error",
]);

/**
 * One session. `open` of the hub makes it.
 *
 * Read it with `on` or with `for await`; the loop ends after `closed`, and throws SessionLost where the session is lost or
 * the hub ended it before it took all audio, and HubError where the hub refused that audio.
 * A loop is told everything since the session was opened; one that begins later than another, what comes from then on.
 */
export class Session implements AsyncIterable<SessionMessage> {
  /**
   * The last message, when the session has ended. Its `reason` is not `close` where the hub, or somebody else, ended it.
   * Rejected with what the loop throws, and where the session was left by `leave`.
   */
  readonly closed: Promise<Closed>;

  readonly #core: SessionCore;
  #dial: Dial;
  readonly #options: Required<Pick<SessionOptions, "resume" | "connectSeconds" | "stallSeconds">>;
  readonly #listeners = new Map<string, Set<Listener>>();
  readonly #inboxes = new Set<Inbox<SessionMessage>>();
  #backlog: Inbox<SessionMessage> | undefined;
  #link: Link | undefined;
  /** Hangs up the newest connection, or ends the try to make it. */
  #cut: () => void = () => undefined;
  #attempt = 0;
  /** Milliseconds, on the clock of Date.now: until then the session is tried to be taken up again. */
  #deadline = 0;
  /** What had come through when the deadline was set. */
  #reached = { seq: -1, acknowledged: -1 };
  /** When the newest connection was attached, on the same clock. */
  #attachedAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #watch: ReturnType<typeof setInterval> | undefined;
  #heardAt = 0;
  #failure: Error | undefined;
  #isOver = false;
  #tail: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #wakes = new Set<() => void>();
  #opened: { resolve: () => void; reject: (error: Error) => void } | undefined;
  #settle!: { resolve: (closed: Closed) => void; reject: (error: Error) => void };

  private constructor(dial: Dial, first: Start | Attach, options: SessionOptions) {
    const { resume = true, connectSeconds = 10, stallSeconds = 30, ...limits } = options;
    this.#options = { resume, connectSeconds, stallSeconds };
    this.#dial = dial;
    this.#core = new SessionCore(first, limits);
    this.#backlog = this.#inbox();
    this.closed = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // Whoever does not ask for it is told by `lost` or by the loop.
    this.closed.catch(() => undefined);
  }

  /** Rejected with HubError where the hub refuses, and with ConnectionFailed where it cannot be reached. */
  static async open(dial: Dial, first: Start | Attach, options: SessionOptions = {}): Promise<Session> {
    const session = new Session(dial, first, options);
    await new Promise<void>((resolve, reject) => {
      session.#opened = { resolve, reject };
      session.#connect();
    });
    return session;
  }

  /** A secret: whoever knows it may watch. */
  get id(): string {
    return this.#ready.session;
  }

  get role(): Ready["role"] {
    return this.#ready.role;
  }

  /** The engine that listened when the connection was made. */
  get provider(): string {
    return this.#ready.provider;
  }

  get format(): AudioFormat {
    return this.#ready.format;
  }

  /** The `seq` of the last message. */
  get seq(): number {
    return this.#core.seq;
  }

  /** Samples that the hub has taken. */
  get acknowledged(): number {
    return this.#core.acknowledged;
  }

  /** What was sent from `acknowledged` on, as bytes of the session's format: for `resume` of the hub. */
  get unheard(): Uint8Array<ArrayBuffer> {
    return this.#core.unheard;
  }

  /**
   * Send audio. Resolved when it is kept for sending, and so at once unless the hub is behind or the connection is
   * broken: whoever waits for it holds no more than `keepSeconds` of audio. What is not waited for is copied and kept.
   *
   * Throws a RangeError for half a sample; rejected with SessionLost where the session is gone, whose `audio` ends with what
   * of this call was not kept.
   */
  async send(audio: AudioData): Promise<void> {
    const bytes = toBytes(audio, this.format);
    if (this.#failure === undefined && this.#waiting === 0 && bytes.byteLength <= this.#core.room) {
      this.#core.push(bytes);
      this.#link?.pump();
      return;
    }
    const copy = bytes.slice();
    let at = 0;
    try {
      await this.#inOrder(async () => {
        while (at < copy.byteLength) {
          const room = await this.#room();
          const piece = copy.subarray(at, at + room);
          this.#core.push(piece);
          at += piece.byteLength;
          this.#link?.pump();
        }
      });
    } catch (error) {
      throw error instanceof SessionLost ? error.withMore(copy.subarray(at)) : error;
    }
  }

  /** End the utterance after the audio sent so far. `endpoint` and `final` follow. */
  finalize(): Promise<void> {
    return this.#command({ type: "finalize" });
  }

  /** Forget what is not final. `endpoint` follows. */
  clear(): Promise<void> {
    return this.#command({ type: "clear" });
  }

  /** Change the session from the next utterance on. */
  configure(changes: Omit<Configure, "type">): Promise<void> {
    return this.#command({ ...changes, type: "configure" });
  }

  /** No more audio. Resolved with the last message, when the last final has come; rejected as `closed` is. */
  async close(): Promise<Closed> {
    if (!this.#isOver) {
      await this.#command({ type: "close" });
    }
    return this.closed;
  }

  /** Hang up. The session lives on at the hub for its resume window; a session is ended with `close`. */
  leave(): void {
    this.#finish(new AsrHubError("the session was left"));
  }

  /** Go on over connections of another kind, from now on. What was sent and not taken is sent again there: nothing is lost. */
  redial(dial: Dial): void {
    if (this.#isOver) {
      return;
    }
    const wasLive = this.#core.state === "live";
    this.#cut();
    this.#core.broke({ code: 1006 });
    this.#dial = dial;
    this.#attempt = 0;
    this.#deadline = Date.now() + this.#ready.resume_window * 1000;
    if (wasLive) {
      this.#emit("connection", { type: "connection", state: "broken" });
    }
    clearTimeout(this.#timer);
    this.#connect();
  }

  /** Call `listener` for each event of this type; the function returned ends that. */
  on<Type extends keyof SessionEvents>(type: Type, listener: (event: SessionEvents[Type]) => void): () => void {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<SessionMessage> {
    const backlog = this.#backlog;
    this.#backlog = undefined;
    if (backlog !== undefined) {
      return backlog;
    }
    const inbox = this.#inbox();
    if (this.#isOver) {
      inbox.end(this.#failure);
    }
    return inbox;
  }

  #inbox(): Inbox<SessionMessage> {
    const inbox = new Inbox<SessionMessage>((left) => this.#inboxes.delete(left));
    this.#inboxes.add(inbox);
    return inbox;
  }

  get #ready(): Ready {
    if (this.#core.ready === undefined) {
      throw new AsrHubError("the session is not open yet");
    }
    return this.#core.ready;
  }

  // Connections.

  #connect(): void {
    let isCurrent = true;
    const cut = (): void => {
      isCurrent = false;
      clearTimeout(this.#timer);
      this.#link = undefined;
      link?.abandon();
    };
    const broke = (ending: Ending): void => {
      if (isCurrent) {
        cut();
        this.#broke(ending);
      }
    };
    this.#cut = cut;
    this.#timer = setTimeout(() => {
      broke({ code: 1006, error: new ConnectionFailed("the hub did not answer in time") });
    }, this.#options.connectSeconds * 1000);
    this.#heardAt = Date.now();
    let link: Link | undefined;
    link = this.#dial(this.#core, {
      received: (text) => {
        if (isCurrent && !this.#isOver) {
          this.#heardAt = Date.now();
          try {
            this.#receive(text);
          } catch (error) {
            if (!(error instanceof SyntaxError)) {
              throw error;
            }
            broke({ code: 1002, error: new AsrHubError(error.message) });
          }
        }
      },
      taken: (offset) => {
        if (isCurrent && !this.#isOver) {
          this.#core.acknowledge(offset);
          this.#wake();
        }
      },
      alive: () => {
        this.#heardAt = Date.now();
      },
      broke,
    });
    if (isCurrent && !this.#isOver) {
      this.#link = link;
      link.pump();
    } else {
      link.abandon();
    }
  }

  #receive(text: string): void {
    const message = readMessage(text);
    const told = this.#core.receive(message);
    if (message.type === "ready") {
      this.#attached(message);
    }
    for (const one of told) {
      this.#tell(one);
    }
    if (message.type === "closed") {
      const failure = this.#failureOf(message);
      if (failure === undefined) {
        this.#settle.resolve(message);
      }
      this.#finish(failure);
      return;
    }
    this.#link?.pump();
    this.#wake();
  }

  /** What was wrong with an end: a fault, or audio that was sent and not taken. */
  #failureOf({ reason }: Closed): Error | undefined {
    if (this.role === "publisher" && FAULTS.has(reason)) {
      return new HubError(reason, `the hub closed the session: ${reason}`);
    }
    const audio = this.#core.unheard;
    if (audio.byteLength === 0) {
      return undefined;
    }
    const seconds = audio.byteLength / frameBytes(this.format) / this.format.sample_rate;
    return new SessionLost(
      `the hub closed the session (${reason}) and did not take the last ${Number(seconds.toPrecision(3))} s of audio`,
      { audio, reason },
    );
  }

  #attached(ready: Ready): void {
    clearTimeout(this.#timer);
    this.#attachedAt = Date.now();
    if (this.#watch === undefined && ready.role === "publisher") {
      this.#watch = setInterval(() => this.#look(), Math.max(100, this.#options.stallSeconds * 250));
    }
    this.#opened?.resolve();
    this.#opened = undefined;
    this.#emit("connection", { type: "connection", state: "live" });
  }

  /** A peer that vanished says nothing, and TCP waits for it for many minutes. Coming back costs nothing. */
  #look(): void {
    if (this.#link !== undefined && this.#core.isOwed && Date.now() - this.#heardAt > this.#options.stallSeconds * 1000) {
      const link = this.#link;
      this.#link = undefined;
      link.abandon();
      this.#broke({ code: 1006, error: new ConnectionFailed("the hub fell silent") });
    }
  }

  #broke(ending: Ending): void {
    if (this.#isOver) {
      return;
    }
    const wasLive = this.#core.state === "live";
    const { comesBack, error } = this.#core.broke(ending);
    if (this.#opened !== undefined) {
      this.#finish(error ?? new ConnectionFailed("the connection ended"));
      return;
    }
    if (error instanceof HubError && FAULTS.has(error.code)) {
      this.#finish(error);
      return;
    }
    const now = Date.now();
    if (wasLive) {
      this.#count(now);
      this.#emit("connection", { type: "connection", state: "broken" });
    }
    const told = error instanceof HubError ? (error.retryAfter ?? 0) * 1000 : 0;
    const wait = Math.max(backoff(this.#attempt, Math.random()) * 1000, told);
    if (!comesBack || !this.#options.resume || now + wait > this.#deadline) {
      const why = error === undefined ? {} : { cause: error };
      const audio = this.#core.unheard;
      this.#finish(new SessionLost(`the session is lost: ${error?.message ?? "the connection ended"}`, { ...why, audio }));
      return;
    }
    this.#attempt += 1;
    this.#timer = setTimeout(() => this.#connect(), wait);
  }

  /** After a connection that brought something the next try is made at once, and the whole resume window lies ahead. */
  #count(now: number): void {
    const { seq, acknowledged } = this.#core;
    const window = this.#ready.resume_window;
    const hasHeld = now - this.#attachedAt >= Math.min(HELD, window) * 1000;
    if (hasHeld || seq > this.#reached.seq || acknowledged > this.#reached.acknowledged) {
      this.#reached = { seq, acknowledged };
      this.#attempt = 0;
      this.#deadline = now + window * 1000;
    }
  }

  #finish(failure?: Error): void {
    if (this.#isOver) {
      return;
    }
    this.#isOver = true;
    this.#failure = failure ?? new AsrHubError("the session is closed: it takes nothing more");
    clearTimeout(this.#timer);
    clearInterval(this.#watch);
    const link = this.#link;
    this.#link = undefined;
    link?.abandon();
    this.#settle.reject(this.#failure);
    const isLoss = failure instanceof SessionLost || (failure instanceof HubError && this.#opened === undefined);
    this.#opened?.reject(this.#failure);
    this.#opened = undefined;
    for (const inbox of this.#inboxes) {
      inbox.end(isLoss ? failure : undefined);
    }
    this.#wake();
    if (isLoss) {
      this.#emit("lost", { type: "lost", error: failure });
    }
  }

  // What is told.

  #tell(message: SessionMessage): void {
    for (const inbox of this.#inboxes) {
      inbox.put(message);
    }
    this.#emit(message.type, message);
  }

  #emit(type: string, event: unknown): void {
    for (const listener of this.#listeners.get(type) ?? []) {
      try {
        // `on` put it under the type that it takes.
        (listener as (event: unknown) => void)(event);
      } catch (error) {
        // A listener's defect is its own: it is reported as uncaught, and the session goes on.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  // What is sent.

  async #command(command: Command): Promise<void> {
    await this.#inOrder(() => {
      this.#core.command(command);
      this.#link?.pump();
    });
  }

  /** One after the other, in the order of the calls; at once where nothing waits. */
  async #inOrder(work: () => void | Promise<void>): Promise<void> {
    if (this.#failure !== undefined) {
      throw this.#failure;
    }
    if (this.#waiting > 0) {
      const before = this.#tail;
      return this.#inLine(async () => {
        await before;
        if (this.#failure !== undefined) {
          throw this.#failure;
        }
        await work();
      });
    }
    return this.#inLine(work);
  }

  async #inLine(work: () => void | Promise<void>): Promise<void> {
    this.#waiting += 1;
    const done = (async () => {
      try {
        await work();
      } finally {
        this.#waiting -= 1;
      }
    })();
    this.#tail = done.catch(() => undefined);
    await done;
  }

  /** Bytes that may be kept now. Waits for some. */
  async #room(): Promise<number> {
    for (;;) {
      if (this.#failure !== undefined) {
        throw this.#failure;
      }
      const room = this.#core.room;
      if (room > 0) {
        return room;
      }
      await new Promise<void>((resolve) => this.#wakes.add(resolve));
    }
  }

  #wake(): void {
    const wakes = this.#wakes;
    this.#wakes = new Set();
    for (const wake of wakes) {
      wake();
    }
  }
}
