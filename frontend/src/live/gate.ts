/** Whether what the microphone hears goes to the hub: always, but while push-to-talk is not held. */

/** Blocks that still go after push-to-talk was let go: the end of the last word. */
const TAIL = 4;

export class Gate {
  isOpen = true;
  isHeld = false;
  #tail = 0;

  hold(): void {
    this.isHeld = true;
    this.isOpen = true;
    this.#tail = 0;
  }

  release(): void {
    if (this.isHeld) {
      this.isHeld = false;
      this.#tail = TAIL;
    }
  }

  /** One block went through. True where it was the last one. */
  passed(): boolean {
    if (this.#tail === 0) {
      return false;
    }
    this.#tail -= 1;
    this.isOpen = this.#tail > 0;
    return !this.isOpen;
  }

  /** As one speaks now. */
  set(isHandsFree: boolean): void {
    this.isOpen = isHandsFree || this.isHeld;
    this.#tail = 0;
  }
}
