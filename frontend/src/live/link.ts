/** The owner of the session that is spoken into, and of what speaks. One for the page; it outlives the view. */

import { AsrHub, HubError, Microphone, type Session, type SessionMessage, toInt16 } from "asr-hub-client";
import { io } from "socket.io-client";

import { base, key, messageOf } from "../api.js";
import { ATTACHED, CONNECTION, fact, FORGOTTEN, LOST, RESTORED, told } from "../store/facts.js";
import { noticed } from "../store/notices.js";
import { type Store, store } from "../store/store.js";
import { compact, lines } from "../store/transcript.js";
import { decoded } from "./decoded.js";
import { forget, fromBase64, keep, type Kept, recall, toBase64 } from "./kept.js";
import { Pace } from "./pace.js";
import { type Choices, chosen, delayed, fileBegun, phaseChanged, sessionTaken, type Transport } from "./slice.js";
import { RATE, Wave } from "./wave.js";

/** Milliseconds of sound in one block: small enough for a meter. */
const BLOCK = 50;

/** Blocks that are sent after push-to-talk was let go. */
const TAIL = 4;

/** Seconds that may wait in the page while the session moves or comes back. */
const WAIT = 30;

/** Milliseconds that a browser may take to give the microphone of its own accord, after a reload. */
const PATIENCE = 4_000;

export class LiveLink {
  readonly wave = new Wave();
  /** Samples that were given to the session, counted as the session counts. */
  sent = 0;
  /** Of a file, from 0 to 1. */
  progress = 0;

  readonly #pace = new Pace();
  #session: Session | undefined;
  #via: Transport = "websocket";
  #microphone: Microphone | undefined;
  /** Whether a microphone is open or on its way. */
  #isHearing = false;
  /** Grows with each opening and closing: a microphone that came too late is closed again. */
  #ear = 0;
  #file: AbortController | undefined;
  /** Whether what the microphone hears goes to the hub: always, but while push-to-talk is not held. */
  #isOpen = true;
  #isHeld = false;
  /** What the hub had taken of the session that ended last. */
  #heard = 0;
  /** Blocks that are still sent after push-to-talk was let go: the end of the last word. */
  #tail = 0;
  /** A reload is come back from once. */
  #isBack = false;
  /** While the session moves to another protocol nothing is sent. */
  #moved: Promise<void> = Promise.resolve();
  /** The utterance whose first partial is awaited, and the sample at which it began. */
  #awaited: { utterance: number; sample: number } | undefined;

  constructor(private readonly store: Store) {
    addEventListener("pagehide", () => this.#keep());
  }

  /** What the hub has taken. */
  get acknowledged(): number {
    return this.#session?.acknowledged ?? this.#heard;
  }

  get #choices(): Choices {
    return this.store.getState().live.choices;
  }

  /** Speak: into the session that lives, or a new one. Call it from a click. */
  async listen(): Promise<void> {
    await this.#try(async () => {
      this.store.dispatch(phaseChanged("opening"));
      this.#isOpen = this.#choices.mode === "hands-free" || this.#isHeld;
      await this.#ready();
      await this.#hear();
      if (this.#isHearing) {
        this.store.dispatch(phaseChanged("listening"));
      }
    });
  }

  /** Speak no more; the session lives on. The final comes without waiting for a silence that nobody sends. */
  async pause(): Promise<void> {
    await this.#try(async () => {
      await this.#hush();
      if (this.#session !== undefined) {
        this.store.dispatch(phaseChanged("paused"));
        await this.#session.finalize();
      }
    });
  }

  /** What was said is heard to its end. */
  async stop(): Promise<void> {
    await this.#try(async () => {
      this.store.dispatch(phaseChanged("closing"));
      this.#file?.abort();
      await this.#hush();
      await this.#session?.close();
    });
  }

  /** An empty page. The session that was is left as it ended. */
  forget(): void {
    const { session } = this.store.getState().live;
    if (session !== null && this.#session === undefined) {
      forget();
      this.store.dispatch(told(FORGOTTEN, null, { session, seq: 0, via: this.#via }));
      this.store.dispatch(sessionTaken(null));
      this.wave.reset();
    }
  }

  /** Push-to-talk: from here on what is said counts. */
  async hold(): Promise<void> {
    const { phase } = this.store.getState().live;
    if (phase === "file") {
      // Letting go would end the file, too.
      return;
    }
    this.#isHeld = true;
    this.#isOpen = true;
    this.#tail = 0;
    if (phase === "idle" || phase === "paused") {
      await this.listen();
    }
  }

  /** And to here. The final comes without waiting for silence. */
  release(): void {
    if (this.#isHeld) {
      this.#isHeld = false;
      this.#tail = TAIL;
    }
  }

  /** Other wishes for what runs: from the next utterance on, or at once where only this page is concerned. */
  async change(wish: Partial<Choices>): Promise<void> {
    const before = this.#choices;
    this.store.dispatch(chosen(wish));
    const { provider, language } = wish;
    await this.#try(async () => {
      if (this.#session !== undefined && (provider || language)) {
        await this.#session.configure({ ...(provider && { provider }), ...(language && { language }) });
      }
      if (wish.device !== undefined && this.#isHearing) {
        await this.#hear();
      }
      if (wish.transport !== undefined && wish.transport !== before.transport) {
        await this.#move(wish.transport);
      }
    });
    // A file is streamed whole, however one speaks after it.
    if (wish.mode !== undefined && this.store.getState().live.phase !== "file") {
      const wasOpen = this.#isOpen;
      this.#isOpen = wish.mode === "hands-free";
      if (wasOpen && !this.#isOpen && this.#isHearing) {
        await this.#try(async () => this.#session?.finalize());
      }
    }
  }

  /** Stream a sound file, as fast as the hub takes it. */
  async play(file: File): Promise<void> {
    await this.#try(async () => {
      await this.#hush();
      this.store.dispatch(phaseChanged("opening"));
      const samples = await decoded(file);
      const isNew = this.#session === undefined;
      const session = await this.#ready();
      if (!isNew) {
        await session.finalize();
      }
      this.store.dispatch(fileBegun({ name: file.name, seconds: samples.length / RATE }));
      const abort = new AbortController();
      this.#file = abort;
      await this.#stream(samples, abort.signal);
      if (abort.signal.aborted) {
        // The session ended, or is being ended.
        return;
      }
      await (isNew ? session.close() : session.finalize());
      if (!isNew && this.#session !== undefined) {
        this.store.dispatch(phaseChanged("paused"));
      }
    });
  }

  /** After a reload: the session of before, with all that was said and all that was spoken. */
  async comeBack(): Promise<void> {
    const kept = recall();
    if (kept === undefined || this.#isBack) {
      return;
    }
    this.#isBack = true;
    this.store.dispatch(chosen(kept.choices));
    if (kept.ending !== undefined) {
      this.#show(kept, kept.ending);
      return;
    }
    this.store.dispatch(phaseChanged("opening"));
    this.store.dispatch(sessionTaken(kept.session));
    try {
      const session = await this.#resumed(kept.session, kept.seq);
      this.#take(session, kept.choices.transport, kept.lines);
      const missing = await this.#speakOn(fromBase64(kept.audio), kept.offset);
      this.wave.push(new Int16Array(missing.slice().buffer));
    } catch (error) {
      // What was said stays; where no hub answers, the next reload tries again.
      this.store.dispatch(phaseChanged("idle"));
      this.#show(kept, messageOf(error));
      if (error instanceof HubError) {
        keep({ ...kept, ending: messageOf(error) });
      }
      this.#complain(error);
      return;
    }
    this.store.dispatch(phaseChanged("paused"));
    if (kept.wasListening && (await isPermitted())) {
      await Promise.race([this.listen(), new Promise((resolve) => setTimeout(resolve, PATIENCE))]);
    }
  }

  /** A session of before a reload that is over, by what is left of it. */
  #show({ session, choices, lines: said, offset }: Kept, reason: string): void {
    const [via, meta] = [choices.transport, { session, seq: 0, via: choices.transport }];
    const format = { sample_rate: RATE, channels: 1, encoding: "pcm_s16le" } as const;
    this.sent = this.#heard = offset;
    this.store.dispatch(sessionTaken(session));
    this.store.dispatch(told(ATTACHED, { session, role: "publisher", provider: "", format, audio_offset: offset }, meta));
    this.store.dispatch(told(RESTORED, { lines: said }, meta));
    this.store.dispatch(fact({ type: "closed", reason, audio_offset: offset, seq: 1 }, session, via));
  }

  #hub(transport: Transport): AsrHub {
    const used = key();
    return new AsrHub({ url: base(), transport, io, ...(used !== undefined && { key: used }) });
  }

  async #ready(): Promise<Session> {
    if (this.#session !== undefined) {
      return this.#session;
    }
    const { transport, provider, language } = this.#choices;
    const session = await this.#hub(transport).open({
      format: { sample_rate: RATE },
      ...(provider !== "" && { provider }),
      ...(language !== "" && { language }),
    });
    this.#take(session, transport);
    return session;
  }

  /** After this `seq`, or from the oldest that the hub keeps where that is gone. */
  async #resumed(id: string, seq: number | undefined): Promise<Session> {
    const hub = this.#hub(this.#choices.transport);
    try {
      return await hub.resume(id, seq === undefined ? {} : { seq });
    } catch (error) {
      if (error instanceof HubError && (error.code === "resume-gap" || error.code === "stale-seq")) {
        return hub.resume(id);
      }
      throw error;
    }
  }

  #take(session: Session, via: Transport, kept?: readonly Kept["lines"][number][]): void {
    const { id, role, provider, format, seq, acknowledged } = session;
    const isNew = id !== this.store.getState().live.session || kept !== undefined;
    const meta = { session: id, seq, via };
    if (isNew) {
      this.forget();
      this.#pace.reset();
      this.wave.reset(acknowledged);
      this.store.dispatch(sessionTaken(id));
    }
    this.#session = session;
    this.#via = via;
    this.sent = acknowledged;
    this.store.dispatch(told(ATTACHED, { session: id, role, provider, format, audio_offset: acknowledged }, meta));
    if (kept !== undefined) {
      this.store.dispatch(told(RESTORED, { lines: kept }, meta));
    }
    void this.#read(session, via);
    session.on("connection", ({ state }) => {
      this.store.dispatch(told(CONNECTION, { state }, { session: id, seq: session.seq, via }));
    });
    this.#keep();
  }

  /** A loop is told everything since the session was opened; of one that was left, what came until then. */
  async #read(session: Session, via: Transport): Promise<void> {
    try {
      for await (const message of session) {
        this.#mark(message);
        this.store.dispatch(fact(message, session.id, via));
      }
    } catch (error) {
      const meta = { session: session.id, seq: session.seq, via };
      this.store.dispatch(told(LOST, { message: messageOf(error) }, meta));
      this.#complain(error);
    }
    if (session === this.#session) {
      this.#over();
    }
  }

  /** What is drawn, and what is measured. */
  #mark(message: SessionMessage): void {
    switch (message.type) {
      case "speech-started":
        this.wave.began(message.at);
        this.#awaited = { utterance: message.utterance, sample: (message.at * RATE) / 1000 };
        break;
      case "endpoint":
        this.wave.ended(message.at);
        break;
      case "wake-word":
        this.wave.woke(message.at, message.phrase);
        break;
      case "partial":
        if (this.#awaited?.utterance === message.utterance && message.hypothesis.text !== "") {
          const began = this.#pace.when(this.#awaited.sample);
          this.#awaited = undefined;
          this.store.dispatch(delayed({ firstPartial: began === undefined ? null : Math.round(performance.now() - began) }));
        }
        break;
      case "final":
        this.store.dispatch(delayed({ final: message.latency_ms }));
        break;
      default:
    }
  }

  // Speaking.

  /** The microphone that is chosen, in place of the one that is open. One that is closed before it is there says nothing. */
  async #hear(): Promise<void> {
    const before = this.#microphone;
    const ear = (this.#ear += 1);
    this.#microphone = undefined;
    this.#isHearing = true;
    await before?.stop().catch(() => undefined);
    if (ear !== this.#ear) {
      return;
    }
    const microphone = await this.#opened(ear).catch((error: unknown) => {
      this.#isHearing &&= ear !== this.#ear;
      throw error;
    });
    if (ear !== this.#ear) {
      await microphone.stop().catch(() => undefined);
      return;
    }
    this.#microphone = microphone;
  }

  #opened(ear: number): Promise<Microphone> {
    const { device } = this.#choices;
    return Microphone.open(
      { send: (samples) => this.#speak(samples) },
      {
        blockMs: BLOCK,
        waitSeconds: WAIT,
        ...(device !== "" && { constraints: { deviceId: { exact: device } } }),
        onError: (error) => {
          if (ear !== this.#ear) {
            return;
          }
          this.#microphone = undefined;
          this.#isHearing = false;
          if (this.#session !== undefined) {
            this.store.dispatch(phaseChanged("paused"));
            this.#complain(error);
          }
        },
      },
    );
  }

  async #hush(): Promise<void> {
    const microphone = this.#microphone;
    this.#ear += 1;
    this.#isHearing = false;
    this.#microphone = undefined;
    await microphone?.stop().catch(() => undefined);
    this.wave.levelDb = -100;
    this.wave.version += 1;
  }

  async #speak(samples: Int16Array): Promise<void> {
    await this.#moved;
    this.wave.meter(samples);
    const session = this.#session;
    if (session === undefined || !this.#isOpen) {
      return;
    }
    this.sent += samples.length;
    this.#pace.sent(this.sent, performance.now());
    this.wave.push(samples);
    await session.send(samples);
    if (this.#tail > 0) {
      this.#tail -= 1;
      if (this.#tail === 0 && this.#choices.mode === "push-to-talk") {
        this.#isOpen = false;
        await session.finalize();
      }
    }
  }

  async #stream(samples: Float32Array, signal: AbortSignal): Promise<void> {
    const step = RATE / 5;
    this.#isOpen = true;
    for (let at = 0; at < samples.length && !signal.aborted; at += step) {
      await this.#speak(toInt16(samples.subarray(at, at + step)));
      this.progress = Math.min(1, (at + step) / samples.length);
    }
    this.progress = 0;
  }

  /** What was spoken before, from where the hub stands. */
  async #speakOn(bytes: Uint8Array<ArrayBuffer>, offset: number): Promise<Uint8Array<ArrayBuffer>> {
    const session = this.#session;
    if (session === undefined) {
      return new Uint8Array(0);
    }
    const missing = bytes.subarray(Math.max(0, session.acknowledged - offset) * 2);
    if (missing.byteLength > 0) {
      this.sent += missing.byteLength / 2;
      await session.send(missing);
    }
    return missing;
  }

  /** The same session over another protocol, without a word lost. */
  async #move(transport: Transport): Promise<void> {
    const session = this.#session;
    if (session === undefined) {
      return;
    }
    const { promise, resolve } = deferred();
    this.#moved = promise;
    try {
      const { id, seq, acknowledged, unheard } = session;
      // Nothing that it still says counts: it is said again after `seq`.
      this.#session = undefined;
      session.leave();
      const moved = await this.#resumed(id, seq);
      this.#take(moved, transport);
      await this.#speakOn(unheard, acknowledged);
    } catch (error) {
      this.#over();
      throw error;
    } finally {
      resolve();
    }
  }

  // Ends.

  #over(): void {
    const over = this.#session;
    this.#heard = over?.acknowledged ?? this.#heard;
    this.sent = this.#heard;
    this.#session = undefined;
    this.#file?.abort();
    if (over !== undefined) {
      this.#keepOf(over, false);
    }
    void this.#hush();
    this.store.dispatch(phaseChanged("idle"));
  }

  #keep(): void {
    if (this.#session !== undefined) {
      this.#keepOf(this.#session, true);
    }
  }

  #keepOf(session: Session, isAlive: boolean): void {
    const said = this.store.getState().sessions[session.id];
    if (said === undefined) {
      return;
    }
    keep({
      ...(!isAlive && { ending: said.ending ?? "lost" }),
      session: session.id,
      seq: said.seq,
      choices: this.#choices,
      wasListening: this.#microphone !== undefined,
      lines: lines(said.transcript).map(compact),
      offset: session.acknowledged,
      audio: toBase64(session.unheard),
    });
  }

  async #try(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#complain(error);
      this.store.dispatch(phaseChanged(this.#session === undefined ? "idle" : "paused"));
    }
  }

  #complain(error: unknown): void {
    this.store.dispatch(noticed("error", messageOf(error)));
  }
}

async function isPermitted(): Promise<boolean> {
  try {
    return (await navigator.permissions.query({ name: "microphone" })).state === "granted";
  } catch {
    return false;
  }
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

export const link = new LiveLink(store);
