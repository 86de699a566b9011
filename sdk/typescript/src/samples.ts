/** Audio in the forms in which programs hold it. */

import type { AudioFormat } from "./messages.js";

/** Audio to be sent. Bytes are taken as they are; numbers are written as the session's format says. */
export type AudioData = Int16Array | Float32Array | Uint8Array | DataView | ArrayBuffer;

/** Floats from -1 to 1 as 16-bit samples; what lies beyond is cut off. */
export function toInt16(samples: Float32Array): Int16Array<ArrayBuffer> {
  const whole = new Int16Array(samples.length);
  samples.forEach((sample, index) => {
    whole[index] = Math.max(-32768, Math.min(32767, Math.round(sample * 32768)));
  });
  return whole;
}

/** The bytes of the session's format. May share memory with `audio`. Throws a TypeError where they cannot be made. */
export function toBytes(audio: AudioData, format: AudioFormat): Uint8Array {
  if (audio instanceof ArrayBuffer) {
    return new Uint8Array(audio);
  }
  if (audio instanceof Int16Array) {
    if (format.encoding === "pcm_s16le") {
      return littleEndian(audio);
    }
    throw new TypeError(`the session's format is ${format.encoding}; send its bytes, or open it with "pcm_s16le"`);
  }
  if (audio instanceof Float32Array) {
    if (format.encoding === "pcm_f32le") {
      return littleEndian(audio);
    }
    if (format.encoding === "pcm_s16le") {
      return littleEndian(toInt16(audio));
    }
    throw new TypeError(`the session's format is ${format.encoding}; send its bytes, or open it with "pcm_f32le"`);
  }
  return new Uint8Array(audio.buffer, audio.byteOffset, audio.byteLength);
}

const IS_LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

function littleEndian(samples: Int16Array | Float32Array): Uint8Array {
  const bytes = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
  if (IS_LITTLE_ENDIAN) {
    return bytes;
  }
  const swapped = bytes.slice();
  for (let at = 0; at < swapped.length; at += samples.BYTES_PER_ELEMENT) {
    swapped.subarray(at, at + samples.BYTES_PER_ELEMENT).reverse();
  }
  return swapped;
}
