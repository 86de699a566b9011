/** A sound file as the samples that a session takes, by the browser's own decoder. */

import { RATE } from "./wave.js";

/** The file is none that this browser can read. */
export class NotAudio extends Error {
  override name = "NotAudio";
}

/** Mono, 16 kHz. Rejected with NotAudio. */
export async function decoded(file: Blob): Promise<Float32Array> {
  const context = new OfflineAudioContext(1, 1, RATE);
  let buffer: AudioBuffer;
  try {
    buffer = await context.decodeAudioData(await file.arrayBuffer());
  } catch (error) {
    throw new NotAudio("this browser cannot read the file as audio", { cause: error });
  }
  return mixed(Array.from({ length: buffer.numberOfChannels }, (_, channel) => buffer.getChannelData(channel)));
}

/** The mean of all channels. */
export function mixed(channels: readonly Float32Array[]): Float32Array {
  const [first, ...others] = channels;
  if (first === undefined || others.length === 0) {
    return first ?? new Float32Array(0);
  }
  return first.map((sample, index) => others.reduce((sum, channel) => sum + (channel[index] ?? 0), sample) / channels.length);
}
