/** The microphone of a browser, as samples that a session takes. */

import { MicrophoneError } from "./errors.js";
import type { AudioFormat } from "./messages.js";
import { Resampler } from "./resampler.js";
import { toInt16 } from "./samples.js";

/** Where the samples go: a Session, or anything that takes them. */
export interface Sink {
  /** The microphone gives mono, 16 bit, at this rate; 16 kHz where there is none. */
  readonly format?: AudioFormat;
  send(samples: Int16Array): Promise<void>;
}

export interface MicrophoneOptions {
  /** What the browser is asked for: the device, and whether it removes echo and noise. Its own choice by default. */
  constraints?: MediaTrackConstraints;
  /** Milliseconds in one call of `send`. */
  blockMs?: number;
  /** Seconds that may wait where the sink takes nothing; what is spoken beyond them is dropped and counted. */
  waitSeconds?: number;
  /** Told once where the sink fails or the device goes away; the microphone is stopped then. */
  onError?: (error: Error) => void;
}

/**
 * Milliseconds that the audio thread still runs with nothing connected. Chromium never forgets the nodes of a context that
 * is closed before the thread came to know of it.
 */
const QUIET = 500;

/** Runs in the audio thread: mixes the channels down and hands over blocks. Without imports, as it becomes a text. */
const WORKLET = `
registerProcessor("asr-hub-microphone", class extends AudioWorkletProcessor {
  constructor({ processorOptions }) {
    super();
    this.block = new Float32Array(processorOptions.block);
    this.filled = 0;
    this.isOver = false;
    this.port.onmessage = () => {
      this.isOver = true;
      const rest = this.block.slice(0, this.filled);
      this.port.postMessage(rest, [rest.buffer]);
      this.port.postMessage(null);
    };
  }
  process([channels]) {
    if (this.isOver) {
      return false;
    }
    const length = channels.length === 0 ? 0 : channels[0].length;
    for (let at = 0; at < length; at += 1) {
      let sum = 0;
      for (const channel of channels) {
        sum += channel[at];
      }
      this.block[this.filled] = sum / channels.length;
      this.filled += 1;
      if (this.filled === this.block.length) {
        this.port.postMessage(this.block, [this.block.buffer]);
        this.block = new Float32Array(this.filled);
        this.filled = 0;
      }
    }
    return true;
  }
});
`;

/** An open microphone. It hears from `open` to `stop`. */
export class Microphone {
  /** Seconds that were spoken while nothing more could wait. */
  droppedSeconds = 0;

  #waiting = 0;
  #tail: Promise<void> = Promise.resolve();
  #source: MediaStreamAudioSourceNode | undefined;
  #isStopped = false;

  private constructor(
    private readonly sink: Sink,
    private readonly options: MicrophoneOptions,
    private readonly stream: MediaStream,
    private readonly context: AudioContext,
    private readonly node: AudioWorkletNode,
    private readonly resampler: Resampler,
  ) {}

  /**
   * Ask the user for the microphone and send what it hears to `sink`.
   *
   * Call it from a click: browsers start no audio before one. Rejected with MicrophoneError where the page may not use
   * a microphone, and with a RangeError for a sink that does not take mono 16-bit samples.
   */
  static async open(sink: Sink, options: MicrophoneOptions = {}): Promise<Microphone> {
    const rate = rateOf(sink);
    const stream = await permitted(options.constraints);
    const context = new AudioContext();
    try {
      await context.resume();
      const module = URL.createObjectURL(new Blob([WORKLET], { type: "text/javascript" }));
      try {
        await context.audioWorklet.addModule(module);
      } finally {
        URL.revokeObjectURL(module);
      }
      const block = Math.max(1, Math.round((context.sampleRate * (options.blockMs ?? 100)) / 1000));
      const node = new AudioWorkletNode(context, "asr-hub-microphone", { processorOptions: { block } });
      const microphone = new Microphone(sink, options, stream, context, node, new Resampler(context.sampleRate, rate));
      microphone.#begin();
      return microphone;
    } catch (error) {
      stream.getTracks().forEach((track) => track.stop());
      await context.close();
      throw error;
    }
  }

  /** Hear no more. Resolved when the sink has what was heard; it is left open. */
  async stop(): Promise<void> {
    if (!this.#isStopped) {
      this.#isStopped = true;
      await this.#last();
      this.#take(this.resampler.flush());
      this.#release();
    }
    await this.#tail;
  }

  /** A node whose port is listened to is never forgotten, nor is a source that is connected. */
  #release(): void {
    this.stream.getTracks().forEach((track) => track.stop());
    this.#source?.disconnect();
    this.node.disconnect();
    this.node.port.onmessage = null;
    this.node.port.close();
    setTimeout(() => void this.context.close(), QUIET);
  }

  #begin(): void {
    this.node.port.onmessage = ({ data }: MessageEvent<Float32Array>) => this.#hear(data);
    for (const track of this.stream.getTracks()) {
      track.addEventListener("ended", () => this.#fail(new MicrophoneError("the microphone went away")));
    }
    this.#source = this.context.createMediaStreamSource(this.stream);
    this.#source.connect(this.node);
    // It says nothing there; but what leads nowhere is not run by every browser.
    this.node.connect(this.context.destination);
  }

  /** The block that the audio thread has begun. */
  async #last(): Promise<void> {
    if (this.context.state !== "running") {
      return;
    }
    await new Promise<void>((resolve) => {
      this.node.port.onmessage = ({ data }: MessageEvent<Float32Array | null>) => {
        if (data === null) {
          resolve();
        } else {
          this.#hear(data);
        }
      };
      this.node.port.postMessage(null);
    });
  }

  #hear(block: Float32Array): void {
    this.#take(this.resampler.push(block));
  }

  #take(samples: Float32Array): void {
    if (samples.length === 0) {
      return;
    }
    const seconds = samples.length / this.resampler.to;
    if (this.#waiting + seconds > (this.options.waitSeconds ?? 5)) {
      this.droppedSeconds += seconds;
      return;
    }
    this.#waiting += seconds;
    this.#tail = this.#send(this.#tail, toInt16(samples), seconds);
  }

  async #send(before: Promise<void>, samples: Int16Array, seconds: number): Promise<void> {
    await before;
    try {
      await this.sink.send(samples);
    } catch (error) {
      this.#fail(error instanceof Error ? error : new MicrophoneError(String(error)));
    } finally {
      this.#waiting -= seconds;
    }
  }

  #fail(error: Error): void {
    if (!this.#isStopped) {
      this.#isStopped = true;
      this.#release();
      this.options.onError?.(error);
    }
  }
}

function rateOf({ format }: Sink): number {
  if (format !== undefined && (format.encoding !== "pcm_s16le" || format.channels !== 1)) {
    throw new RangeError('a microphone gives mono 16-bit samples: open the session with { encoding: "pcm_s16le", channels: 1 }');
  }
  return format?.sample_rate ?? 16_000;
}

async function permitted(constraints: MediaTrackConstraints | undefined): Promise<MediaStream> {
  const { mediaDevices } = navigator as { mediaDevices?: MediaDevices };
  if (mediaDevices === undefined) {
    throw new MicrophoneError("this page has no microphone: browsers give it to https:// and localhost only");
  }
  try {
    return await mediaDevices.getUserMedia({ audio: { channelCount: { ideal: 1 }, ...constraints } });
  } catch (error) {
    throw new MicrophoneError("the microphone was not given: the user or the browser refused, or there is none", {
      cause: error,
    });
  }
}
