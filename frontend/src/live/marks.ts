/** What is drawn of a session, and what is measured in it, from what was sent and what was told. */

import type { SessionMessage } from "asr-hub-client";

import { Pace } from "./pace.js";
import type { Delays } from "./slice.js";
import { RATE, Wave } from "./wave.js";

export class Marks {
  readonly wave = new Wave();
  /** Samples that were given to the session, counted as the session counts. */
  sent = 0;

  readonly #pace = new Pace();
  /** The utterance whose first partial is awaited, and the sample at which it began. */
  #awaited: { utterance: number; sample: number } | undefined;

  constructor(private readonly delayed: (delays: Partial<Delays>) => void) {}

  /** Another session, whose next sample is this one. */
  reset(offset: number): void {
    this.#pace.reset();
    this.wave.reset(offset);
    this.#awaited = undefined;
    this.sent = offset;
  }

  sending(samples: Int16Array): void {
    this.sent += samples.length;
    this.#pace.sent(this.sent, performance.now());
    this.wave.push(samples);
  }

  /** What was spoken before this page was there: nobody knows when. */
  spoken(samples: Int16Array): void {
    this.sent += samples.length;
    this.wave.push(samples);
  }

  told(message: SessionMessage): void {
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
          this.delayed({ firstPartial: began === undefined ? null : Math.round(performance.now() - began) });
        }
        break;
      case "final":
        this.delayed({ final: message.latency_ms });
        break;
      default:
    }
  }

  /** Nothing is heard. */
  hush(): void {
    this.wave.levelDb = -100;
    this.wave.version += 1;
  }
}
