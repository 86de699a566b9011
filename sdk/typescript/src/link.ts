/** One connection, as a session sees it. */

import type { Ending, SessionCore } from "./core.js";

export interface Link {
  /** The core may have something to send. */
  pump(): void;
  /** Hang up and say nothing more. May be called twice. */
  abandon(): void;
}

export interface LinkEvents {
  /** One message of the hub, as JSON. */
  received(text: string): void;
  /** The hub has the audio before this sample, as it said outside its messages. */
  taken(offset: number): void;
  /** Something came that shows that the hub is there. */
  alive(): void;
  /** The connection is gone. Said once. */
  broke(ending: Ending): void;
}

/** Open a connection for a session: its first message is `core.opening()`. Throws nothing: `broke` tells. */
export type Dial = (core: SessionCore, events: LinkEvents) => Link;
