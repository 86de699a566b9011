/** Event streams of the hub over fetch, so that a key goes into a header and never into an address. */

import { EventParser, type ServerEvent } from "asr-hub-client/events";

import { ApiError, request, waitAfter } from "./api.js";
import { pause } from "./repeat.js";

export type { ServerEvent };

export interface EventOptions {
  /** Ends the stream, without an error. */
  signal: AbortSignal;
  /** Go on after this event. */
  lastEventId?: string | undefined;
  /** Told when the stream is there, and when it broke and is tried again. */
  onState?: (state: "live" | "broken") => void;
}

/**
 * The events of a stream, over as many connections as it takes.
 *
 * Ends where the hub has nothing more (204), after an event `end` or `closed`, and when the signal says so. Throws ApiError
 * where the hub refuses for good.
 */
export async function* events(path: string, options: EventOptions): AsyncGenerator<ServerEvent, void> {
  const { signal, onState } = options;
  let last = options.lastEventId;
  for (let attempt = 0; !isAborted(signal); attempt += 1) {
    try {
      for await (const event of connection(path, last, signal, onState)) {
        attempt = 0;
        last = event.id === "" ? last : event.id;
        yield event;
        if (event.event === "end" || event.event === "closed") {
          return;
        }
      }
      if (isOver.has(signal)) {
        return;
      }
    } catch (error) {
      if (isAborted(signal)) {
        return;
      }
      if (error instanceof ApiError && waitAfter(error) === undefined) {
        throw error;
      }
    }
    onState?.("broken");
    await pause(Math.min(8_000, 250 * 2 ** attempt) * (0.5 + Math.random() / 2), signal);
  }
}

/** Signals whose stream the hub has ended. */
const isOver = new WeakSet<AbortSignal>();

async function* connection(
  path: string,
  last: string | undefined,
  signal: AbortSignal,
  onState: EventOptions["onState"],
): AsyncGenerator<ServerEvent, void> {
  const headers: Record<string, string> = { Accept: "text/event-stream" };
  if (last !== undefined) {
    headers["Last-Event-ID"] = last;
  }
  const response = await request(path, { headers, signal });
  if (response.status === 204 || response.body === null) {
    isOver.add(signal);
    return;
  }
  onState?.("live");
  const parser = new EventParser();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) {
        return;
      }
      yield* parser.add(value);
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** Asked anew each time: it changes while one waits. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}
