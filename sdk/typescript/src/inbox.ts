/** Messages on their way to one reader. */

import { SlowReader } from "./errors.js";

/** Messages that wait for their reader, at most. */
export const MAX_WAITING = 4096;

/** A bounded queue that one `for await` reads. Where it overflows it ends with SlowReader: nothing is left out unsaid. */
export class Inbox<Message> implements AsyncIterableIterator<Message> {
  #waiting: Message[] = [];
  #wake: (() => void) | undefined;
  #failure: Error | undefined;
  #isOver = false;

  constructor(private readonly onLeave: (inbox: Inbox<Message>) => void = () => undefined) {}

  put(message: Message): void {
    if (this.#isOver) {
      return;
    }
    if (this.#waiting.length >= MAX_WAITING) {
      this.#waiting = [];
      this.end(new SlowReader(`more than ${MAX_WAITING} messages waited to be read; read them as they come`));
      return;
    }
    this.#waiting.push(message);
    this.#wake?.();
  }

  /** Nothing follows what is here. With a failure the reader is told it then. */
  end(failure?: Error): void {
    if (!this.#isOver) {
      this.#isOver = true;
      this.#failure = failure;
      this.#wake?.();
    }
  }

  async next(): Promise<IteratorResult<Message, undefined>> {
    for (;;) {
      const message = this.#waiting.shift();
      if (message !== undefined) {
        return { value: message, done: false };
      }
      if (this.#isOver) {
        const failure = this.#failure;
        this.#failure = undefined;
        this.onLeave(this);
        if (failure !== undefined) {
          throw failure;
        }
        return { value: undefined, done: true };
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }

  return(): Promise<IteratorResult<Message, undefined>> {
    this.#waiting = [];
    this.end();
    this.onLeave(this);
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
