/** What the page asks the hub again: after a while, after a failure that passes, and never while nobody looks. */

import { waitAfter } from "./api.js";

export interface RepeatOptions {
  /** Ends it. */
  signal: AbortSignal;
  /** Milliseconds between an answer and the next question; undefined: one answer is enough. */
  every?: number | undefined;
  /** Told of each failure that is not the signal's. */
  onFailure: (error: unknown) => void;
}

/** Asks until it is answered, or again and again: never twice at once. A refusal ends it only where nothing is asked again anyway. */
export async function repeat(ask: () => Promise<unknown>, { signal, every, onFailure }: RepeatOptions): Promise<void> {
  while (!isAborted(signal)) {
    let wait = every;
    try {
      await ask();
    } catch (error) {
      if (isAborted(signal)) {
        return;
      }
      onFailure(error);
      wait = every ?? waitAfter(error);
    }
    if (wait === undefined) {
      return;
    }
    await rest(wait, signal);
  }
}

/** Resolved after so long, or as soon as the signal says so. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await settled(signal, (done) => {
    const timer = setTimeout(done, milliseconds);
    return () => clearTimeout(timer);
  });
}

/** As `pause`, and longer while the page is hidden. */
export async function rest(milliseconds: number, signal: AbortSignal): Promise<void> {
  await pause(milliseconds, signal);
  if (document.hidden) {
    await settled(signal, (done) => {
      document.addEventListener("visibilitychange", done, { once: true });
      return () => document.removeEventListener("visibilitychange", done);
    });
  }
}

async function settled(signal: AbortSignal, begin: (done: () => void) => () => void): Promise<void> {
  if (isAborted(signal)) {
    return;
  }
  await new Promise<void>((resolve) => {
    const done = (): void => {
      end();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const end = begin(done);
    signal.addEventListener("abort", done);
  });
}

/** Asked anew each time: it changes while one waits. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}
