/** One session that is watched: its messages go into the store as facts, over as many connections as it takes. */

import { AsrHub, HubError, type Session } from "asr-hub-client";

import { base, json, key, messageOf, waitAfter } from "../api.js";
import { ATTACHED, CONNECTION, fact, FORGOTTEN, LOST, told } from "../store/facts.js";
import type { Dispatch } from "../store/store.js";
import type { Via } from "./slice.js";

export interface LinkOptions {
  id: string;
  via: Via;
  dispatch: Dispatch;
  /** It came about, or did not. */
  onOpen?: () => void;
  onRefused?: (message: string) => void;
  /** It was called by its name, and that is not enough to hear it. */
  onNameOnly?: () => void;
  /** Try again by itself also what the hub refuses, for as long as it takes; a session that is over is not tried again. */
  isEndless?: boolean;
}

/** Milliseconds between two tries, at most. */
const LONGEST = 15_000;

/** How the connections of a page are made. */
async function client(via: Via): Promise<AsrHub> {
  const known = key();
  const options = { url: base(), transport: via, ...(known !== undefined && { key: known }) };
  if (via !== "socketio") {
    return new AsrHub(options);
  }
  const { io } = await import("socket.io-client");
  return new AsrHub({ ...options, io: io });
}

/** One per session that is shown; `close` it. */
export class WatchLink {
  #session: Session | undefined;
  #isClosed = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #tries = 0;

  constructor(private readonly options: LinkOptions) {
    void this.#open();
  }

  /** What was said stays in the store. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#session?.leave();
  }

  async #open(): Promise<void> {
    const { id, via, onOpen, onRefused, onNameOnly } = this.options;
    try {
      // Over HTTP first: there the hub says why not, and asks for a key.
      const { transcript } = await json<{ transcript: unknown }>(`/v1/sessions/${encodeURIComponent(id)}`);
      if (transcript === null) {
        onNameOnly?.();
        return;
      }
      const session = await (await client(via)).watch(id);
      if (this.#isOver()) {
        session.leave();
        return;
      }
      this.#session = session;
      this.#tries = 0;
      onOpen?.();
      await this.#read(session);
    } catch (error) {
      if (!this.#isOver()) {
        onRefused?.(messageOf(error));
        this.#again(waitAfter(error) !== undefined);
      }
    }
  }

  async #read(session: Session): Promise<void> {
    const { id, via, dispatch } = this.options;
    const meta = () => ({ session: id, seq: session.seq, via });
    // It is told again from its beginning.
    dispatch(told(FORGOTTEN, null, meta()));
    const { role, provider, format, acknowledged } = session;
    dispatch(told(ATTACHED, { session: id, role, provider, format, audio_offset: acknowledged }, meta()));
    session.on("connection", ({ state }) => void dispatch(told(CONNECTION, { state }, meta())));
    try {
      for await (const message of session) {
        if (message.type !== "levels") {
          dispatch(fact(message, id, via));
        }
      }
    } catch (error) {
      if (!this.#isOver()) {
        dispatch(told(LOST, { message: messageOf(error) }, meta()));
        if (!(error instanceof HubError)) {
          this.#again(true);
        }
      }
    }
  }

  #again(isPassing: boolean): void {
    if (isPassing || this.options.isEndless === true) {
      const wait = Math.min(LONGEST, 500 * 2 ** this.#tries) * (0.5 + Math.random() / 2);
      this.#tries += 1;
      this.#timer = setTimeout(() => void this.#open(), wait);
    }
  }

  /** Asked anew each time: it may be closed while one waits. */
  #isOver(): boolean {
    return this.#isClosed;
  }
}
