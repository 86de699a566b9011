/** Socket.IO: the native messages as events, for where its client is at home and proxies know it. */

import type { Ending, SessionCore } from "./core.js";
import { AsrHubError, ConnectionFailed, HubError } from "./errors.js";
import type { Dial, Link, LinkEvents } from "./link.js";

/** What is used of a socket of `socket.io-client`. */
export interface SocketIoLike {
  on(event: string, listener: (...values: never[]) => void): unknown;
  emit(event: string, value: unknown): unknown;
  disconnect(): unknown;
  /** Its manager, whose engine is the connection. */
  io?: { engine?: { on(event: "open" | "close", listener: (reason?: string) => void): unknown } };
}

/** The function `io` of the package `socket.io-client`, from 4.8 on. */
export type SocketIoConnect = (url: string, options: Record<string, unknown>) => SocketIoLike;

/** Where the native protocol is spoken. */
const NAMESPACE = "/v1/stream";

/** What `connect_error` brings: `data` where the hub refused by itself. */
interface Refused extends Error {
  data?: { code?: unknown; message?: unknown; retryable?: unknown; retry_after?: unknown };
}

/** How Socket.IO connects here: by what was given, or by the package where it is installed. Throws AsrHubError. */
export async function socketIo(given?: SocketIoConnect): Promise<SocketIoConnect> {
  if (given !== undefined) {
    return given;
  }
  // Not a literal, so that a bundler does not look for the package where nobody uses it.
  const name: string = "socket.io-client";
  try {
    return ((await import(name)) as { io: SocketIoConnect }).io;
  } catch (error) {
    throw new AsrHubError('no socket.io-client is here: `npm install socket.io-client`, or pass its `io` as { io }', {
      cause: error,
    });
  }
}

/** Sessions over Socket.IO, at the address of the hub. Polls where no WebSocket gets through. */
export function overSocketIo(base: string, key: string | undefined, io: SocketIoConnect): Dial {
  return (core, events) => new SocketIoLink(core, events, base, key, io);
}

class SocketIoLink implements Link {
  readonly #socket: SocketIoLike;
  #isDone = false;
  #isOpen = false;

  constructor(
    private readonly core: SessionCore,
    private readonly events: LinkEvents,
    private readonly base: string,
    key: string | undefined,
    io: SocketIoConnect,
  ) {
    const { origin, pathname } = new URL(base);
    // The session comes back by itself; Socket.IO would, too, and begin another one.
    this.#socket = io(origin + NAMESPACE, {
      path: `${pathname.replace(/\/+$/, "")}/socket.io`,
      transports: ["websocket", "polling"],
      tryAllTransports: true,
      reconnection: false,
      forceNew: true,
      ...(key !== undefined && { auth: { token: key } }),
    });
    this.#socket.on("connect", () => {
      this.#isOpen = true;
      this.#socket.emit("message", core.opening());
      this.pump();
    });
    this.#socket.on("message", (message: unknown) => {
      if (!this.#isDone) {
        events.received(JSON.stringify(message));
      }
    });
    this.#socket.on("connect_error", (error: Refused) => this.#broke({ code: 1006, error: this.#refusal(error) }));
    // The hub hangs up after its last word, which says why where there is a reason; everything else is a cut.
    this.#socket.on("disconnect", (reason: string) =>
      this.#broke({ code: reason === "io server disconnect" ? 1001 : 1006, reason }),
    );
    // Of a connection that ends before the hub's first packet Socket.IO says nothing until its own time is up. Of others
    // it does, when it has told what came before their end.
    const engine = this.#socket.io?.engine;
    let hasBegun = false;
    engine?.on("open", () => (hasBegun = true));
    engine?.on("close", (reason = "") => {
      if (!hasBegun) {
        this.#broke({ code: 1006, reason });
      }
    });
  }

  /** Nothing waits for an acknowledgement: the core sends no further ahead than the hub has taken. */
  pump(): void {
    if (this.#isDone || !this.#isOpen) {
      return;
    }
    for (let out = this.core.next(); out !== undefined; out = this.core.next()) {
      if (out.kind === "audio") {
        this.#socket.emit("audio", out.data);
      } else {
        this.#socket.emit("message", out.message);
      }
    }
  }

  abandon(): void {
    this.#isDone = true;
    this.#socket.disconnect();
  }

  #broke(ending: Ending): void {
    if (!this.#isDone) {
      this.#isDone = true;
      this.events.broke(ending);
    }
  }

  #refusal(error: Refused): Error {
    const { code, message, retryable, retry_after } = error.data ?? {};
    if (typeof code === "string" && typeof message === "string") {
      return new HubError(code, message, retryable === true, typeof retry_after === "number" ? retry_after : null);
    }
    return new ConnectionFailed(`no connection to ${this.base}: no hub is there, or it does not know this page's origin`, {
      cause: error,
    });
  }
}
