/** What a person does in the Live view, one wish after another. One for the page; it outlives the view. */

import { HubError, type Microphone, toInt16 } from "asr-hub-client";

import { messageOf } from "../api.js";
import { noticed } from "../store/notices.js";
import { type Store, store } from "../store/store.js";
import { Conversation } from "./conversation.js";
import { decoded } from "./decoded.js";
import { Ear } from "./ear.js";
import { Gate } from "./gate.js";
import { forget, keep, recall } from "./kept.js";
import { Marks } from "./marks.js";
import { type Choices, chosen, delayed, fileBegun, type Live, phaseChanged, silenced } from "./slice.js";
import { claim } from "./tab.js";
import { RATE, type Wave } from "./wave.js";

type Phase = Live["phase"];

export class LiveLink {
  /** Of a file, from 0 to 1. */
  progress = 0;

  readonly #marks: Marks;
  readonly #conversation: Conversation;
  readonly #ear: Ear;
  readonly #gate = new Gate();
  #file: AbortController | undefined;
  /** Grows with each wish: one that was overtaken shows nothing any more. */
  #turn = 0;
  /** A reload is come back from once. */
  #isBack = false;

  constructor(
    private readonly store: Store,
    listen?: typeof Microphone.open,
  ) {
    this.#marks = new Marks(
      (delays) => void store.dispatch(delayed(delays)),
      (silent) => void store.dispatch(silenced(silent)),
    );
    this.#conversation = new Conversation(store, {
      begun: (offset) => this.#marks.reset(offset),
      spoken: (samples) => this.#marks.spoken(samples),
      told: (message) => this.#marks.told(message),
      ended: () => this.#over(),
    });
    this.#ear = new Ear({ heard: (samples) => this.#speak(samples), failed: (error) => this.#deaf(error) }, listen);
    addEventListener("pagehide", () => this.#conversation.keep(this.#ear.isHearing));
  }

  get wave(): Wave {
    return this.#marks.wave;
  }

  /** Samples that were given to the session, counted as the session counts. */
  get sent(): number {
    return this.#marks.sent;
  }

  /** What the hub has taken. */
  get acknowledged(): number {
    return this.#conversation.acknowledged;
  }

  get #live(): Live {
    return this.store.getState().live;
  }

  /** Where nothing is spoken. */
  get #rest(): Phase {
    return this.#conversation.session === undefined ? "idle" : "paused";
  }

  /** Speak: into the session that lives, or a new one. Call it from a click. */
  async listen(): Promise<void> {
    await this.#act(async (isPast) => {
      this.#show("opening");
      this.#gate.set(this.#live.choices.mode === "hands-free");
      // First of all: a session into which nobody can speak is of no use.
      await this.#ear.open(this.#live.choices.device);
      if (!isPast()) {
        await this.#conversation.ready().catch(async (error: unknown) => {
          if (!isPast()) {
            await this.#hush();
          }
          throw error;
        });
      }
      return this.#ear.isHearing ? "listening" : this.#rest;
    });
  }

  /** Speak no more; the session lives on. The final comes without waiting for a silence that nobody sends. */
  async pause(): Promise<void> {
    await this.#act(async () => {
      await this.#hush();
      await (await this.#conversation.current())?.finalize();
      return this.#rest;
    });
  }

  /** What was said is heard to its end. */
  async stop(): Promise<void> {
    if (this.#live.phase === "closing") {
      return;
    }
    await this.#act(async () => {
      this.#show("closing");
      this.#file?.abort();
      await this.#hush();
      await this.#conversation.close();
      // The last message is shown first.
      return this.#conversation.session === undefined ? "idle" : undefined;
    });
  }

  /** An empty page. */
  forget(): void {
    this.#conversation.forget();
    this.#marks.reset(0);
  }

  /** Push-to-talk: from here on what is said counts. */
  async hold(): Promise<void> {
    const { phase } = this.#live;
    if (phase === "file") {
      // Letting go would end the file, too.
      return;
    }
    this.#gate.hold();
    if (phase === "idle" || phase === "paused") {
      await this.listen();
    }
  }

  /** And to here. The final comes without waiting for silence. */
  release(): void {
    this.#gate.release();
  }

  /** Other wishes for what runs: from the next utterance on, or at once where only this page is concerned. */
  async change(wish: Partial<Choices>): Promise<void> {
    this.store.dispatch(chosen(wish));
    const { provider, language, device, transport, mode } = wish;
    try {
      // The protocol has no word for the hub's default, nor for the engine's own language.
      const engine = provider === "" ? this.store.getState().hub.providers.find(({ is_default }) => is_default)?.name : provider;
      if (engine || language) {
        const session = await this.#conversation.current();
        await session?.configure({ ...(engine && { provider: engine }), ...(language && { language }) });
      }
      if (device !== undefined && this.#ear.isHearing) {
        await this.#ear.open(device);
      }
      if (transport !== undefined) {
        await this.#conversation.move();
      }
      if (mode !== undefined) {
        await this.#takeTurns(mode);
      }
    } catch (error) {
      this.#complain(error);
      if (this.#live.phase === "listening" && !this.#ear.isHearing) {
        this.#show(this.#rest);
      }
    }
  }

  /** Stream a sound file, as fast as the hub takes it. One at a time. */
  async play(file: File): Promise<void> {
    if (["opening", "closing", "file"].includes(this.#live.phase)) {
      return;
    }
    await this.#act(async (isPast) => {
      this.#show("opening");
      await this.#hush();
      const samples = await decoded(file);
      const isNew = this.#conversation.session === undefined;
      if (isPast()) {
        return undefined;
      }
      const session = await this.#conversation.ready();
      if (!isNew) {
        await session.finalize();
      }
      if (isPast()) {
        return undefined;
      }
      this.store.dispatch(fileBegun({ name: file.name, seconds: samples.length / RATE }));
      this.#file = new AbortController();
      await this.#stream(samples, this.#file.signal);
      if (isPast() || this.#file.signal.aborted) {
        // The session ended, or is being ended.
        return undefined;
      }
      await (isNew ? this.#conversation.close() : session.finalize());
      return isNew ? undefined : this.#rest;
    });
  }

  /** After a reload: the session of before, with all that was said and all that was spoken. */
  async comeBack(): Promise<void> {
    const kept = this.#isBack ? undefined : recall();
    // What is kept from here on is this page's own, and goes on without being resumed.
    this.#isBack = true;
    if (kept === undefined) {
      return;
    }
    await this.#act(async (isPast) => {
      this.#show("opening");
      if (!(await claim(kept.session))) {
        forget();
        return "idle";
      }
      if (isPast()) {
        return undefined;
      }
      this.store.dispatch(chosen(kept.choices));
      if (kept.ending !== undefined) {
        this.#conversation.show(kept, kept.ending);
        return "idle";
      }
      try {
        await this.#conversation.resume(kept);
      } catch (error) {
        // What was said stays; where no hub answers, the next reload tries again.
        this.#conversation.show(kept, messageOf(error));
        if (error instanceof HubError) {
          keep({ ...kept, ending: messageOf(error) });
        }
        throw error;
      }
      if (!isPast() && kept.wasListening && (await isPermitted())) {
        void this.listen();
      }
      return "paused";
    });
  }

  async #takeTurns(mode: Choices["mode"]): Promise<void> {
    // A file is streamed whole, however one speaks after it.
    if (this.#live.phase !== "file") {
      const wasOpen = this.#gate.isOpen;
      this.#gate.release();
      this.#gate.set(mode === "hands-free");
      if (wasOpen && !this.#gate.isOpen && this.#ear.isHearing) {
        await this.#conversation.session?.finalize();
      }
    }
  }

  async #hush(): Promise<void> {
    await this.#ear.close();
    this.#marks.hush();
  }

  async #speak(samples: Int16Array): Promise<void> {
    this.wave.meter(samples);
    // What is said while a session comes waits for it.
    const session = await this.#conversation.current();
    if (session === undefined || !this.#gate.isOpen) {
      return;
    }
    this.#marks.sending(samples);
    await session.send(samples);
    if (this.#gate.passed()) {
      await session.finalize();
    }
  }

  async #stream(samples: Float32Array, signal: AbortSignal): Promise<void> {
    const step = RATE / 5;
    for (let at = 0; at < samples.length && !signal.aborted; at += step) {
      const block = toInt16(samples.subarray(at, at + step));
      this.wave.meter(block);
      this.#marks.sending(block);
      await this.#conversation.session?.send(block);
      this.progress = Math.min(1, (at + step) / samples.length);
    }
    this.progress = 0;
  }

  /** The microphone went away, or found no session. */
  #deaf(error: Error): void {
    if (this.#conversation.session !== undefined) {
      this.#show("paused");
      this.#complain(error);
    } else if (this.#live.phase === "opening") {
      this.#complain(error);
    }
  }

  #over(): void {
    this.#marks.sent = this.acknowledged;
    this.#file?.abort();
    void this.#hush();
    this.#show("idle");
  }

  /** Do it, and show how things are then. Where it fails, that is told. */
  async #act(work: (isPast: () => boolean) => Promise<Phase | undefined>): Promise<void> {
    const turn = (this.#turn += 1);
    const isPast = (): boolean => turn !== this.#turn;
    let phase: Phase | undefined;
    try {
      phase = await work(isPast);
    } catch (error) {
      if (!isPast()) {
        this.#complain(error);
      }
      phase = this.#rest;
    }
    if (phase !== undefined && !isPast()) {
      this.#show(phase);
    }
  }

  #show(phase: Phase): void {
    this.store.dispatch(phaseChanged(phase));
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

export const link = new LiveLink(store);
