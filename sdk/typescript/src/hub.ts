/** A hub, by its address. */

import { AsrHubError } from "./errors.js";
import { asking, type Ask, overHttp } from "./http.js";
import type { Dial } from "./link.js";
import type { Start } from "./messages.js";
import { Session, type SessionOptions } from "./session.js";
import { overSocketIo, type SocketIoConnect, socketIo } from "./socketio.js";
import { overWebSocket, type WebSocketConstructor, webSockets } from "./websocket.js";

const TRANSPORTS: readonly string[] = ["websocket", "http", "socketio"];

export interface AsrHubOptions {
  /** Where the hub is: `http://127.0.0.1:8765`. */
  url: string | URL;
  /** A key or a token of the hub, where it asks for one. */
  key?: string;
  /** `http` where no WebSocket gets through; `socketio` where its client is at home. */
  transport?: "websocket" | "http" | "socketio";
  /** In place of the one that is found: globalThis.WebSocket in a browser, the package `ws` in Node.js. */
  WebSocket?: WebSocketConstructor;
  /** `io` of the package `socket.io-client`, where its import cannot be found at run time: in a page that is bundled. */
  io?: SocketIoConnect;
  /** In place of globalThis.fetch. */
  fetch?: typeof globalThis.fetch;
}

/** What a new session is to be like, and how it is kept. */
export type OpenOptions = Omit<Start, "type"> & SessionOptions;

export interface WatchOptions extends SessionOptions {
  /** The last `seq` seen. Without it everything is told that the session still keeps. */
  seq?: number;
}

/** One engine of a hub. A newer hub says more. */
export interface Provider {
  name: string;
  kind: string;
  health: "starting" | "ready" | "failed" | "unloaded" | "stopped";
  is_default: boolean;
  slots_used: number;
  slots: number;
  error: string | null;
  note: string | null;
  capabilities: Readonly<Record<string, unknown>> | null;
}

/** How a hub is. A newer hub says more. */
export interface Health {
  status: "ok" | "degraded" | "draining";
  version: string;
  sessions: number;
  max_sessions: number;
  default_provider: string;
  resolved: string | null;
  providers: Readonly<Record<string, string>>;
}

/** Opens sessions. Holds no connection of its own. */
export class AsrHub {
  readonly #base: string;
  readonly #options: AsrHubOptions;
  readonly #ask: Ask;

  /** Throws a TypeError for what is no address, and for a transport that there is none of. */
  constructor(options: AsrHubOptions) {
    const url = new URL(options.url);
    if (!["http:", "https:"].includes(url.protocol)) {
      throw new TypeError(`the url of a hub begins with http:// or https://, not ${url.protocol}//`);
    }
    if (!TRANSPORTS.includes(options.transport ?? "websocket")) {
      throw new TypeError(`${JSON.stringify(options.transport)} is no transport of this client; use one of ${TRANSPORTS.join(", ")}`);
    }
    this.#base = url.origin + url.pathname.replace(/\/+$/, "");
    this.#options = options;
    this.#ask = asking(this.#base, options.key, options.fetch ?? ((...request) => globalThis.fetch(...request)));
  }

  /** A new session. Rejected with HubError where the hub refuses it, with ConnectionFailed where no hub answers. */
  async open(options: OpenOptions = {}): Promise<Session> {
    const { resume, connectSeconds, stallSeconds, keepSeconds, aheadSeconds, ...fields } = options;
    const kept = defined({ resume, connectSeconds, stallSeconds, keepSeconds, aheadSeconds });
    return Session.open(await this.#dial(), { ...fields, type: "start" }, kept);
  }

  /** What somebody else's session says. Rejected as `open` is. */
  async watch(session: string, options: WatchOptions = {}): Promise<Session> {
    const { seq, ...kept } = options;
    const attach = { type: "attach", session, role: "viewer" } as const;
    return Session.open(await this.#dial(), seq === undefined ? attach : { ...attach, seq }, kept);
  }

  /**
   * Speak on in a session that this program opened before, as a page does after a reload. Rejected as `open` is.
   *
   * Whoever still publishes there is hung up on. `acknowledged` is where the hub stands: send the audio that follows.
   */
  async resume(session: string, options: WatchOptions = {}): Promise<Session> {
    const { seq, ...kept } = options;
    const attach = { type: "attach", session, role: "publisher", take_over: true } as const;
    return Session.open(await this.#dial(), seq === undefined ? attach : { ...attach, seq }, kept);
  }

  /** Carry on a session of another AsrHub of this program, over the transport of this one. Nothing is lost on the way. */
  async carry(session: Session): Promise<void> {
    session.redial(await this.#dial());
  }

  /** The engines of the hub. */
  async providers(): Promise<Provider[]> {
    return this.#get<Provider[]>("/v1/providers");
  }

  async health(): Promise<Health> {
    return this.#get<Health>("/health");
  }

  async #get<Answer>(path: string): Promise<Answer> {
    const response = await this.#ask(path, {});
    try {
      return (await response.json()) as Answer;
    } catch (error) {
      throw new AsrHubError(`no JSON came from ${this.#base}${path}; is this the address of an ASR Hub?`, { cause: error });
    }
  }

  async #dial(): Promise<Dial> {
    const { transport, key } = this.#options;
    if (transport === "http") {
      return overHttp(this.#ask);
    }
    if (transport === "socketio") {
      return overSocketIo(this.#base, key, await socketIo(this.#options.io));
    }
    const make = await webSockets(key, this.#options.WebSocket);
    return overWebSocket(`${this.#base.replace(/^http/, "ws")}/v1/stream`, make);
  }
}

type Defined<Fields> = { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> };

/** Without the fields that are undefined. */
function defined<Fields extends object>(fields: Fields): Defined<Fields> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<Fields>;
}
