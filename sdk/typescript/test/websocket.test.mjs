/** The native lane over sockets of the test: what is said on them, and when nothing is. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { AsrHub } from "../dist/index.js";

const FORMAT = { sample_rate: 1000, channels: 1, encoding: "pcm_s16le" };

/** As a browser's: it takes no more once it closes, and complains. */
class Socket {
  static all = [];
  readyState = 0;
  sent = [];
  complaints = 0;

  constructor() {
    Socket.all.push(this);
  }

  send(data) {
    if (this.readyState === 1) {
      this.sent.push(typeof data === "string" ? JSON.parse(data) : data.byteLength);
    } else {
      this.complaints += 1;
    }
  }

  open(seq) {
    this.readyState = 1;
    this.onopen({});
    const ready = { type: "ready", seq, session: "s", role: "publisher", provider: "p", format: FORMAT, audio_offset: 0, resume_window: 60 };
    this.onmessage({ data: JSON.stringify(ready) });
  }

  close() {
    this.readyState = 3;
  }
}

async function made(count) {
  while (Socket.all.length < count) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  return Socket.all.at(-1);
}

test("what is said while a socket closes is not said into it, and is said on the next", async () => {
  const opening = new AsrHub({ url: "http://127.0.0.1:1", WebSocket: Socket }).open({ format: FORMAT });
  const first = await made(1);
  first.open(0);
  const session = await opening;
  first.readyState = 2;
  await session.send(new Int16Array(50));
  await session.finalize();
  assert.equal(first.complaints, 0);
  assert.deepEqual(first.sent.map((one) => one.type), ["start"]);
  first.readyState = 3;
  first.onclose({ code: 1006, reason: "" });
  const second = await made(2);
  second.open(0);
  assert.deepEqual(second.sent.map((one) => one.type ?? one), ["attach", 100, "finalize"]);
  session.leave();
});
