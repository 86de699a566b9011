/** The microphone that is open, or on its way: the last wish holds, however late a permission is given. */

import { Microphone } from "asr-hub-client";

import { RATE } from "./wave.js";

/** Milliseconds of sound in one block: small enough for a meter. */
const BLOCK = 50;

/** Seconds that may wait in the page while the session comes back. */
const WAIT = 30;

export interface EarEvents {
  heard(samples: Int16Array): Promise<void>;
  /** The device went away, or what it heard found no session. It is closed. */
  failed(error: Error): void;
}

export class Ear {
  /** Whether a microphone is open or on its way. */
  isHearing = false;

  #turn = 0;
  #microphone: Microphone | undefined;
  #closed: Promise<void> = Promise.resolve();

  constructor(
    private readonly events: EarEvents,
    private readonly listen: typeof Microphone.open = Microphone.open.bind(Microphone),
  ) {}

  /** This device, or the browser's choice, in place of the one that is open. One that is overtaken says nothing. */
  async open(device: string): Promise<void> {
    const turn = (this.#turn += 1);
    this.isHearing = true;
    await this.#silence();
    if (this.#isPast(turn)) {
      return;
    }
    let microphone: Microphone;
    try {
      microphone = await this.#opened(device, turn);
    } catch (error) {
      if (this.#isPast(turn)) {
        return;
      }
      this.isHearing = false;
      throw error;
    }
    this.#microphone = microphone;
    if (this.#isPast(turn)) {
      await this.#silence();
    }
  }

  /** Resolved when all that was heard has been taken. */
  async close(): Promise<void> {
    this.#turn += 1;
    this.isHearing = false;
    await this.#silence();
  }

  #opened(device: string, turn: number): Promise<Microphone> {
    // What a microphone hears after it was overtaken and before it is closed is nobody's.
    const sink = {
      format: { sample_rate: RATE, channels: 1, encoding: "pcm_s16le" },
      send: (samples: Int16Array) => (isLate ? Promise.resolve() : this.events.heard(samples)),
    } as const;
    let isLate = false;
    const onError = (error: Error): void => {
      if (!this.#isPast(turn)) {
        this.#microphone = undefined;
        this.isHearing = false;
        this.events.failed(error);
      }
    };
    const wish = device === "" ? {} : { constraints: { deviceId: { exact: device } } };
    return this.listen(sink, { blockMs: BLOCK, waitSeconds: WAIT, onError, ...wish }).then((microphone) => {
      isLate = this.#isPast(turn);
      return microphone;
    });
  }

  #silence(): Promise<void> {
    const microphone = this.#microphone;
    this.#microphone = undefined;
    // One that failed has told so already.
    this.#closed = this.#closed.then(() => microphone?.stop()).catch(() => undefined);
    return this.#closed;
  }

  #isPast(turn: number): boolean {
    return turn !== this.#turn;
  }
}
