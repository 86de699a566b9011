/** What is drawn of a session, and what is measured in it, from what was sent and what was told. */

import type { SessionMessage } from "asr-hub-client";

import { Pace } from "./pace.js";
import type { Delays, Silent } from "./slice.js";
import { RATE, Wave } from "./wave.js";

export class Marks {
  readonly wave = new Wave();
  /** Samples that were given to the session, counted as the session counts. */
  sent = 0;

  readonly #pace = new Pace();
  /** The utterance whose first partial is awaited, and the sample at which it began. */
  #awaited: { utterance: number; sample: number } | undefined;

  /** Speech whose final has not come: where it began. */
  readonly #speech = new Map<number, number>();

  constructor(
    private readonly delayed: (delays: Partial<Delays>) => void,
    private readonly silenced: (silent: Silent) => void,
  ) {}

  /** Another session, whose next sample is this one. */
  reset(offset: number): void {
    this.#pace.reset();
    this.wave.reset(offset);
    this.#awaited = undefined;
    this.#speech.clear();
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
        this.#speech.set(message.utterance, message.at);
        this.#awaited = { utterance: message.utterance, sample: (message.at * RATE) / 1000 };
        break;
      case "endpoint":
        this.wave.ended(message.at);
        if (message.reason === "clear") {
          this.#speech.delete(message.utterance);
        }
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
        this.#over(message.utterance, message.hypothesis.text === "");
        break;
      default:
    }
  }

  #over(utterance: number, isSilent: boolean): void {
    const at = this.#speech.get(utterance);
    this.#speech.delete(utterance);
    if (at !== undefined && isSilent) {
      this.silenced({ utterance, at });
    }
  }

  /** Nothing is heard. */
  hush(): void {
    this.wave.levelDb = -100;
    this.wave.version += 1;
  }
}
