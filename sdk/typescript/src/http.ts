/** Plain HTTP: audio and commands in requests, messages as Server-Sent Events. For where no WebSocket gets through. */

import type { Outgoing, SessionCore } from "./core.js";
import { AsrHubError, ConnectionFailed, HubError } from "./errors.js";
import { EventParser } from "./events.js";
import type { Dial, Link, LinkEvents } from "./link.js";
import type { Ready } from "./messages.js";
import { refusal } from "./refusal.js";

/** Bytes of audio in one request. */
const MAX_BODY = 256 * 1024;

const CLOSED = new Set(["closing", "unknown-session", "not-found"]);

/** One request to the hub; fails with HubError or ConnectionFailed. Waits for the head of the answer. */
export type Ask = (path: string, init: RequestInit) => Promise<Response>;

/** Requests to the hub at this address, with this key. */
export function asking(base: string, key: string | undefined, fetch: typeof globalThis.fetch): Ask {
  return async (path, init) => {
    const headers = new Headers(init.headers);
    if (key !== undefined) {
      headers.set("Authorization", `Bearer ${key}`);
    }
    let response: Response;
    try {
      response = await fetch(base + path, { ...init, headers, cache: "no-store" });
    } catch (error) {
      throw new ConnectionFailed(`no connection to ${base}`, { cause: error });
    }
    if (!response.ok) {
      const body = await response.text().catch(() => "");
      throw refusal(response.status, body, response.headers.get("retry-after"));
    }
    return response;
  };
}

/** Sessions over HTTP. */
export function overHttp(ask: Ask): Dial {
  return (core, events) => new HttpLink(core, events, ask);
}

class HttpLink implements Link {
  readonly #abort = new AbortController();
  #isDone = false;
  #isPosting = false;
  /** Whether the next request is to end whoever else publishes: the connection that broke may not be known to be dead. */
  #takesOver = false;
  /** Taken from the core and not yet sent: the first that did not fit into the last body. */
  #held: Outgoing | undefined;

  constructor(
    private readonly core: SessionCore,
    private readonly events: LinkEvents,
    private readonly ask: Ask,
  ) {
    void this.#run(() => this.#open());
  }

  pump(): void {
    if (!this.#isPosting) {
      void this.#run(() => this.#post());
    }
  }

  abandon(): void {
    this.#isDone = true;
    this.#abort.abort();
  }

  /** Do it; where it fails the connection is broken. */
  async #run(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!this.#isDone) {
        this.#isDone = true;
        this.#abort.abort();
        const isTold = error instanceof AsrHubError && !(error instanceof ConnectionFailed);
        this.events.broke({ code: isTold ? 1008 : 1006, error: error instanceof Error ? error : undefined });
      }
    }
  }

  async #open(): Promise<void> {
    const first = this.core.opening();
    if (first.type === "attach") {
      this.#takesOver = first.take_over === true;
      await this.#listen(first.session, first.seq ?? undefined, first.role ?? "publisher");
      return;
    }
    const { type: _, ...fields } = first;
    const response = await this.#request("/v1/sessions", {
      method: "POST",
      body: JSON.stringify(fields),
      headers: { "Content-Type": "application/json" },
    });
    const text = await response.text();
    if (this.#isDone) {
      return;
    }
    this.events.received(text);
    await this.#listen((JSON.parse(text) as Ready).session, 0, undefined);
  }

  /** Read events until they end. With a `role` the `ready` among them is this connection's. */
  async #listen(session: string, seq: number | undefined, role: Ready["role"] | undefined): Promise<void> {
    const query = seq === undefined ? "" : `?seq=${seq}`;
    const response = await this.#request(`${this.#path(session)}/events${query}`, {
      headers: { Accept: "text/event-stream" },
    });
    if (response.status === 204 || response.body === null) {
      throw new AsrHubError("the session is over, and what it said has been read");
    }
    const parser = new EventParser();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done || this.#isDone) {
        break;
      }
      this.events.alive();
      for (const { event, data } of parser.add(value)) {
        if (event !== "ready") {
          this.events.received(data);
        } else if (role !== undefined) {
          // Events are told to viewers; who publishes is decided by the requests.
          this.events.received(JSON.stringify({ ...(JSON.parse(data) as Ready), role }));
        }
      }
    }
    throw new ConnectionFailed("the events ended");
  }

  async #post(): Promise<void> {
    this.#isPosting = true;
    try {
      for (;;) {
        const out = this.#next();
        if (out === undefined || this.#isDone) {
          return;
        }
        if (out.kind === "audio") {
          await this.#hear(out.offset, this.#gather(out.data));
        } else {
          await this.#tell(out.message);
        }
      }
    } catch (error) {
      if (this.#isDone || !(error instanceof HubError) || error.code !== "closing") {
        throw error;
      }
      // No end of the connection: the core sends nothing more, and the events bring what is heard to the end.
      this.#held = undefined;
      const { code, message, retryable } = error;
      this.events.received(JSON.stringify({ type: "error", seq: this.core.seq, code, message, retryable }));
    } finally {
      this.#isPosting = false;
    }
  }

  #next(): Outgoing | undefined {
    const held = this.#held;
    this.#held = undefined;
    return held ?? this.core.next();
  }

  /** This audio and what directly follows it. */
  #gather(first: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    const parts = [first];
    let size = first.byteLength;
    for (let out = this.core.next(); out !== undefined; out = this.core.next()) {
      if (out.kind !== "audio" || size + out.data.byteLength > MAX_BODY) {
        this.#held = out;
        break;
      }
      parts.push(out.data);
      size += out.data.byteLength;
    }
    const whole = new Uint8Array(size);
    parts.reduce((at, part) => (whole.set(part, at), at + part.byteLength), 0);
    return whole;
  }

  async #hear(offset: number, body: Uint8Array<ArrayBuffer>): Promise<void> {
    const takeOver = this.#takesOver ? "&take_over=1" : "";
    const response = await this.#request(`${this.#session}/audio?offset=${offset}${takeOver}`, {
      method: "POST",
      body,
      headers: { "Content-Type": "application/octet-stream" },
    });
    this.#takesOver = false;
    const taken = (await response.json()) as { audio_offset: number };
    if (!this.#isDone) {
      this.events.taken(taken.audio_offset);
    }
  }

  async #tell(message: Exclude<Outgoing, { kind: "audio" }>["message"]): Promise<void> {
    const { type, ...fields } = message;
    switch (type) {
      case "configure":
        await this.#request(this.#session, {
          method: "PATCH",
          body: JSON.stringify(fields),
          headers: { "Content-Type": "application/json" },
        });
        break;
      case "close":
        await this.#close();
        break;
      default:
        await this.#request(`${this.#session}/${type}`, { method: "POST" });
    }
  }

  async #close(): Promise<void> {
    try {
      await this.#request(this.#session, { method: "DELETE" });
    } catch (error) {
      // A `close` that is sent again, after its answer was lost, meets a session that is over; its events say so.
      if (!(error instanceof HubError) || !CLOSED.has(error.code)) {
        throw error;
      }
    }
  }

  get #session(): string {
    return this.#path(this.core.ready?.session ?? "");
  }

  #path(session: string): string {
    return `/v1/sessions/${encodeURIComponent(session)}`;
  }

  async #request(path: string, init: RequestInit): Promise<Response> {
    const response = await this.ask(path, { ...init, signal: this.#abort.signal });
    this.events.alive();
    return response;
  }
}
