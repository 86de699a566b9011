/** The native lane: one WebSocket, audio up and messages down. */

import type { Ending } from "./core.js";
import { AsrHubError, ConnectionFailed } from "./errors.js";
import type { Dial } from "./link.js";
import { refusal } from "./refusal.js";

/** What is used of a WebSocket. Those of browsers, of Node.js from 22 on and of the package `ws` have it. */
export interface WebSocketLike {
  binaryType: string;
  /** 0 while it opens, 1 while it is open, and more once it closes. */
  readonly readyState?: number;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number): void;
}

export type WebSocketConstructor = new (url: string, protocols?: string | string[]) => WebSocketLike;

/** Opens a WebSocket that brings the key. `refused` is called where the handshake is answered with a status. */
export type MakeWebSocket = (url: string, refused: (error: Error) => void) => WebSocketLike;

const PROTOCOL = "asr-hub.v1";

/** The `readyState` in which a WebSocket sends. */
const OPEN = 1;

/** The parts of the package `ws` that are used. */
type NodeWebSocket = new (
  url: string,
  protocols: string[],
  options: { headers: Record<string, string>; perMessageDeflate: boolean },
) => WebSocketLike & { on(event: "unexpected-response", listener: (request: Request, response: Response) => void): void };

interface Request {
  destroy(): void;
}

interface Response extends AsyncIterable<Uint8Array> {
  statusCode?: number;
  headers: Record<string, string | string[] | undefined>;
}

/**
 * How WebSockets are made here.
 *
 * Node.js has none before 22, and none of any version tells why a handshake was refused: there the package `ws` is used
 * where it is installed. Browsers cannot set a header, so the key goes in a subprotocol that the hub never echoes.
 */
export async function webSockets(key: string | undefined, given?: WebSocketConstructor): Promise<MakeWebSocket> {
  const ws = given === undefined && isNode() ? await installed() : undefined;
  if (ws !== undefined) {
    const headers = key === undefined ? {} : { Authorization: `Bearer ${key}` };
    return (url, refused) => {
      const socket = new ws(url, [PROTOCOL], { headers, perMessageDeflate: false });
      socket.on("unexpected-response", (request, response) => {
        void readRefusal(request, response).then(refused);
      });
      return socket;
    };
  }
  const constructor = given ?? (globalThis.WebSocket as WebSocketConstructor | undefined);
  if (constructor === undefined) {
    throw new AsrHubError('this Node.js has no WebSocket: `npm install ws`, or use { transport: "http" }');
  }
  const protocols = key === undefined ? [PROTOCOL] : [PROTOCOL, "asr-hub.key", key];
  return (url) => new constructor(url, protocols);
}

/** Sessions over WebSocket, at the address of the stream. */
export function overWebSocket(url: string, make: MakeWebSocket): Dial {
  return (core, events) => {
    let isDone = false;
    const broke = (ending: Ending): void => {
      if (!isDone) {
        isDone = true;
        events.broke(ending);
      }
    };
    let socket: WebSocketLike;
    let isOpen = false;
    try {
      socket = make(url, (error) => broke({ code: 1006, error }));
    } catch (error) {
      // A browser throws for an address that it will not connect to, or a key that is no token of HTTP.
      queueMicrotask(() => broke({ code: 1002, error: new ConnectionFailed(`no connection to ${url}`, { cause: error }) }));
      return { pump: () => undefined, abandon: () => (isDone = true) };
    }
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      isOpen = true;
      socket.send(JSON.stringify(core.opening()));
    };
    socket.onmessage = ({ data }: { data: unknown }) => {
      if (!isDone && typeof data === "string") {
        events.received(data);
      }
    };
    socket.onclose = ({ code, reason }: { code: number; reason: string }) => {
      broke(
        isOpen
          ? { code, reason }
          : {
              code: 1006,
              error: new ConnectionFailed(
                `no connection to ${url}: no hub is there, the key is wrong, or the hub does not know this page's origin`,
              ),
            },
      );
    };
    // `close` follows and says the same.
    socket.onerror = () => undefined;
    return {
      pump: () => {
        // What is not taken from the core now is sent on the next connection; one that closes would only drop it.
        while (!isDone && isOpen && (socket.readyState ?? OPEN) === OPEN) {
          const out = core.next();
          if (out === undefined) {
            return;
          }
          socket.send(out.kind === "audio" ? out.data : JSON.stringify(out.message));
        }
      },
      abandon: () => {
        isDone = true;
        socket.close();
      },
    };
  };
}

function isNode(): boolean {
  const { process } = globalThis as { process?: { versions?: { node?: string } } };
  return process?.versions?.node !== undefined;
}

async function installed(): Promise<NodeWebSocket | undefined> {
  // Not a literal, so that a bundler for the browser does not look for the package.
  const name: string = "ws";
  try {
    return ((await import(name)) as { WebSocket: NodeWebSocket }).WebSocket;
  } catch {
    return undefined;
  }
}

async function readRefusal(request: Request, response: Response): Promise<Error> {
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const part of response) {
      size += part.length;
      parts.push(part);
      if (size > 64 * 1024) {
        break;
      }
    }
  } catch {
    // The status alone says something.
  }
  request.destroy();
  const whole = new Uint8Array(size);
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  const after = response.headers["retry-after"];
  return refusal(response.statusCode ?? 0, new TextDecoder().decode(whole), typeof after === "string" ? after : null);
}
