import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import { test } from "node:test";

import { io } from "socket.io-client";

import { SessionCore } from "../dist/core.js";
import { overSocketIo } from "../dist/socketio.js";

/** A server that opens WebSockets and hangs up on each before the first word; its address. */
async function hangingUp(context) {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", (request) => {
      const key = /sec-websocket-key: (\S+)/i.exec(request.toString())?.[1];
      const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
      const lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", `Sec-WebSocket-Accept: ${accept}`];
      socket.end(`${lines.join("\r\n")}\r\n\r\n`);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => server.close());
  return `http://127.0.0.1:${server.address().port}`;
}

test("a connection that breaks before its first word has ended, and is waited for no longer", { timeout: 20_000 }, async (context) => {
  const base = await hangingUp(context);
  let link;
  const ending = await new Promise((broke) => {
    const events = { received: () => undefined, taken: () => undefined, alive: () => undefined, broke };
    const dial = overSocketIo(base, undefined, (url, options) => io(url, { ...options, timeout: 1_000_000 }));
    link = dial(new SessionCore({ type: "start" }), events);
  });
  link.abandon();
  assert.equal(ending.code, 1006);
});
