/** The last seconds of sound as peaks, with what the hub heard in them. No state: it changes with every block. */

/** Samples per second that come in. */
export const RATE = 16_000;
/** Samples of one column: 20 ms. */
export const COLUMN = 320;
/** Columns that are kept: 12 seconds. */
export const COLUMNS = 600;

/** Marks that are kept: more than fit into the columns. */
const MARKS = 64;

export interface Stretch {
  /** Milliseconds of audio since the session began. */
  start: number;
  /** Undefined while it lasts. */
  end: number | undefined;
}

export interface WakeMark {
  at: number;
  phrase: string;
}

export class Wave {
  /** From 0 to 1, column after column, in a ring. */
  readonly #peaks = new Float32Array(COLUMNS);
  /** Columns that were begun since the session began; the last is at `columns - 1`. */
  columns = 0;
  #filled = COLUMN;
  speech: Stretch[] = [];
  wakes: WakeMark[] = [];
  /** Of the last block, in dB of full scale. */
  levelDb = -100;
  /** Grows with everything that changes what is drawn. */
  version = 0;

  /** Begin at this sample of the session. */
  reset(offset = 0): void {
    this.#peaks.fill(0);
    this.columns = Math.floor(offset / COLUMN);
    this.#filled = COLUMN;
    this.speech = [];
    this.wakes = [];
    this.levelDb = -100;
    this.version += 1;
  }

  /** What the microphone hears, whether it is sent or not. */
  meter(samples: Int16Array): void {
    const square = samples.reduce((sum, sample) => sum + (sample / 32_768) ** 2, 0);
    this.levelDb = Math.max(-100, 10 * Math.log10(square / Math.max(1, samples.length) + 1e-10));
    this.version += 1;
  }

  push(samples: Int16Array): void {
    for (const sample of samples) {
      if (this.#filled === COLUMN) {
        this.#filled = 0;
        this.#peaks[this.columns % COLUMNS] = 0;
        this.columns += 1;
      }
      const value = Math.abs(sample) / 32_768;
      const at = (this.columns - 1) % COLUMNS;
      this.#peaks[at] = Math.max(this.#peaks[at] ?? 0, value);
      this.#filled += 1;
    }
    this.version += 1;
  }

  /** The peak of a column that was counted since the session began; 0 for one that is gone. */
  peak(column: number): number {
    return column < 0 || column >= this.columns || column < this.columns - COLUMNS ? 0 : (this.#peaks[column % COLUMNS] ?? 0);
  }

  began(at: number): void {
    this.speech = [...this.speech, { start: at, end: undefined }].slice(-MARKS);
    this.version += 1;
  }

  ended(at: number): void {
    this.speech = this.speech.map((one) => (one.end === undefined ? { ...one, end: at } : one));
    this.version += 1;
  }

  woke(at: number, phrase: string): void {
    this.wakes = [...this.wakes, { at, phrase }].slice(-MARKS);
    this.version += 1;
  }
}

/** From 0 to 1, as loudness is felt: -60 dB and less is nothing. */
export function loudness(db: number): number {
  return Math.max(0, Math.min(1, 1 + db / 60));
}
