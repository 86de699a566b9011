/** A stream of samples at one rate, made into a stream at another. */

/** Zero crossings of the sinc on each side: how steep the filter is. */
const CROSSINGS = 48;

/** Of the Kaiser window: the stop band is 90 dB down. */
const BETA = 9;

/** Of the stop band's distance, in dB, as Kaiser's formula for the width of the transition has it. */
const ATTENUATION = 90;

/** Taps of all phases together. */
const MAX_TAPS = 1 << 20;

/**
 * Resamples a stream by a windowed sinc, one row of taps for each place that an output can have between two inputs.
 *
 * The ratio is exact: after any number of blocks the output has neither gained nor lost a sample. Outputs lie at the
 * time of their inputs: the filter's delay is taken off, and so output comes half a filter later than its input.
 * Aliases are 80 dB down and more; what lies below 0.87 of the lower Nyquist frequency passes as it is.
 */
export class Resampler {
  readonly #up: number;
  readonly #down: number;
  readonly #taps: number;
  readonly #phases: readonly Float32Array[];
  /** Inputs that outputs still need. */
  #kept: Float32Array;
  /** Where in `#kept` the taps of the next output begin. */
  #at = 0;
  #phase = 0;
  /** Inputs in all, and outputs in all. */
  #taken = 0;
  #given = 0;

  /** Rates in hertz, whole numbers. Throws a RangeError for rates that have no small ratio. */
  constructor(
    readonly from: number,
    readonly to: number,
  ) {
    if (!(Number.isInteger(from) && Number.isInteger(to) && from > 0 && to > 0)) {
      throw new RangeError(`rates are whole numbers of hertz, not ${from} and ${to}`);
    }
    const common = gcd(from, to);
    this.#up = to / common;
    this.#down = from / common;
    const half = Math.ceil(CROSSINGS * Math.max(1, from / to));
    this.#taps = 2 * half;
    if (this.#taps * this.#up > MAX_TAPS) {
      throw new RangeError(`${from} Hz and ${to} Hz have no small ratio; use a usual rate, such as 16000, 44100 or 48000`);
    }
    this.#phases = from === to ? [] : phases(this.#up, this.#taps, from, to);
    this.#kept = new Float32Array(half - 1);
  }

  /** The outputs that these inputs complete. `input` is not kept. */
  push(input: Float32Array): Float32Array {
    this.#taken += input.length;
    if (this.from === this.to) {
      return input.slice();
    }
    return this.#run(input, Infinity);
  }

  /** The outputs that were still to come, as if silence followed. The next `push` begins a new stream. */
  flush(): Float32Array {
    if (this.from === this.to) {
      return new Float32Array(0);
    }
    const total = Math.ceil((this.#taken * this.#up) / this.#down);
    const output = this.#run(new Float32Array(this.#taps), total - this.#given);
    this.#kept = new Float32Array(this.#taps / 2 - 1);
    this.#at = this.#phase = this.#taken = this.#given = 0;
    return output;
  }

  #run(input: Float32Array, most: number): Float32Array {
    const samples = new Float32Array(this.#kept.length + input.length);
    samples.set(this.#kept);
    samples.set(input, this.#kept.length);
    const output = new Float32Array(Math.max(0, Math.ceil(((samples.length - this.#at) * this.#up) / this.#down)) + 1);
    let count = 0;
    while (this.#at + this.#taps <= samples.length && count < most) {
      output[count] = this.#filter(samples);
      count += 1;
      this.#phase += this.#down;
      this.#at += Math.floor(this.#phase / this.#up);
      this.#phase %= this.#up;
    }
    const done = Math.min(this.#at, samples.length);
    this.#kept = samples.slice(done);
    this.#at -= done;
    this.#given += count;
    return output.slice(0, count);
  }

  #filter(samples: Float32Array): number {
    const taps = this.#phases[this.#phase];
    let sum = 0;
    for (let tap = 0; tap < this.#taps; tap += 1) {
      sum += (taps?.[tap] ?? 0) * (samples[this.#at + tap] ?? 0);
    }
    return sum;
  }
}

/** Row `p` is the filter for an output that lies `p / up` of an input's distance after an input. */
function phases(up: number, taps: number, from: number, to: number): Float32Array[] {
  const half = taps / 2;
  // The stop band begins at the lower Nyquist frequency, so the middle of the transition lies half its width below.
  const width = (ATTENUATION - 8) / (2.285 * (taps - 1)) / (2 * Math.PI);
  const cutoff = Math.min(1, to / from) / 2 - width / 2;
  return Array.from({ length: up }, (_, phase) => {
    const row = Float64Array.from({ length: taps }, (_, tap) => {
      const distance = tap - (half - 1) - phase / up;
      return 2 * cutoff * sinc(2 * cutoff * distance) * kaiser(distance / half);
    });
    // Each row sums to one, so that a constant stays one.
    const sum = row.reduce((total, tap) => total + tap, 0);
    return Float32Array.from(row, (tap) => tap / sum);
  });
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/** The Kaiser window from -1 to 1. */
function kaiser(x: number): number {
  return Math.abs(x) > 1 ? 0 : bessel(BETA * Math.sqrt(1 - x * x)) / bessel(BETA);
}

/** The modified Bessel function of the first kind, of order 0. */
function bessel(x: number): number {
  let sum = 1;
  let term = 1;
  for (let k = 1; term > sum * 1e-12; k += 1) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
