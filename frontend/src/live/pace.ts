/** When which sample was sent, so that what is said of it has a delay. */

/** Blocks that are remembered: a minute and more of them. */
const KEPT = 2_048;

export class Pace {
  #blocks: { end: number; at: number }[] = [];

  /** Samples up to `end` were there at `at`, in milliseconds of any clock. */
  sent(end: number, at: number): void {
    this.#blocks.push({ end, at });
    if (this.#blocks.length > 2 * KEPT) {
      this.#blocks.splice(0, KEPT);
    }
  }

  /** When this sample was there; undefined for one that was not sent, or long ago. */
  when(sample: number): number | undefined {
    let low = 0;
    let high = this.#blocks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#blocks[middle]?.end ?? Infinity) < sample) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    const block = this.#blocks[low];
    return low === 0 && block !== undefined && block.end - sample > 16_000 ? undefined : block?.at;
  }

  reset(): void {
    this.#blocks = [];
  }
}
