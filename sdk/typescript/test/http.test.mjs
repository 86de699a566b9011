/** A session over HTTP, with a hub that answers as the test says. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { AsrHub, SessionLost } from "../dist/index.js";

const READY = {
  type: "ready", seq: 0, session: "s", role: "publisher", provider: "p", audio_offset: 0, resume_window: 60,
  format: { sample_rate: 1000, channels: 1, encoding: "pcm_s16le" },
};
const json = (status, body) => new Response(JSON.stringify(body), { status });

test("to a session that the hub closes nothing more is posted, and the events tell its end", async () => {
  const asked = [];
  const audio = [];
  let events;
  const answers = {
    "POST /v1/sessions": () => json(201, READY),
    "GET /v1/sessions/s/events": () => new Response(new ReadableStream({ start: (stream) => (events = stream) })),
    "POST /v1/sessions/s/audio": () => new Promise((answer) => audio.push(answer)),
  };
  const fetch = async (url, { method = "GET" }) => {
    const what = `${method} ${new URL(url).pathname}`;
    asked.push(what);
    return answers[what]();
  };
  const session = await new AsrHub({ url: "http://hub.invalid", transport: "http", fetch }).open();
  const told = [];
  const isTold = new Promise((resolve) => session.on("error", (error) => resolve(told.push(error.code))));
  // The first piece goes at once. The second is one request, and the command behind it is taken with it and waits.
  await session.send(new Int16Array(10));
  await session.send(new Int16Array(10));
  await session.finalize();
  audio.shift()(json(200, { session: "s", audio_offset: 10 }));
  while (audio.length === 0) {
    await new Promise(setImmediate);
  }
  audio.shift()(json(409, { error: { code: "closing", message: "wait for `closed`", retryable: false } }));
  await isTold;
  await session.send(new Int16Array(10));
  const lost = assert.rejects(session.close(), (error) => error instanceof SessionLost && error.audio.length === 2 * 20);
  const closed = { type: "closed", seq: 1, reason: "drain", audio_offset: 10 };
  events.enqueue(new TextEncoder().encode(`event: closed\ndata: ${JSON.stringify(closed)}\n\n`));
  await lost;
  assert.deepEqual(asked.sort(), [...Object.keys(answers), "POST /v1/sessions/s/audio"].sort());
  assert.deepEqual(told, ["closing"]);
});
