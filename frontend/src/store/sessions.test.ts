import type { SessionMessage } from "asr-hub-client";
import { readMessage } from "asr-hub-client/messages";
import { expect, test } from "vitest";

import { ATTACHED, CONNECTION, fact, FORGOTTEN, told } from "./facts.js";
import { type Sessions, sessions } from "./sessions.js";
import { lines } from "./transcript.js";

const FORMAT = { sample_rate: 16000, channels: 1, encoding: "pcm_s16le" } as const;

const opened = told(
  ATTACHED,
  { session: "s", role: "publisher", provider: "pocketsphinx", format: FORMAT, audio_offset: 0 },
  { session: "s", seq: 0, via: "websocket" },
);

function after(...messages: Record<string, unknown>[]): Sessions {
  const facts = messages.map((fields) => fact(readMessage(JSON.stringify(fields)) as SessionMessage, "s", "websocket"));
  return [opened, ...facts].reduce<Sessions>((state, action) => sessions.reducer(state, action), {});
}

const STARTED = { type: "speech-started", utterance: 1, at: 900, seq: 1 };
const PARTIAL = { type: "partial", utterance: 1, hypothesis: { text: "how", start: 900, end: 1200, stable: 3 }, seq: 2 };
const ENDPOINT = { type: "endpoint", utterance: 1, at: 2500, reason: "silence", seq: 3 };
const FINAL = {
  type: "final",
  utterance: 1,
  hypothesis: { text: "how old", start: 900, end: 2500, is_final: true, provider: "whisper" },
  reason: "silence",
  latency_ms: 120,
  seq: 4,
};

test("messages are dispatched under the names of the hub's own facts", () => {
  const { type, meta } = fact(readMessage(JSON.stringify(FINAL)) as SessionMessage, "s", "http");
  expect(type).toBe("[Transcript] Finalized");
  expect(meta).toEqual({ session: "s", seq: 4, via: "http" });
});

test("speech is seen from its beginning to its end", () => {
  expect(after(STARTED).s?.speaking).toBe(1);
  expect(after(STARTED, PARTIAL).s?.transcript.partial?.hypothesis.text).toBe("how");
  expect(after(STARTED, PARTIAL, ENDPOINT).s?.speaking).toBeNull();
  const done = after(STARTED, PARTIAL, ENDPOINT, FINAL).s;
  expect(done).toMatchObject({ provider: "whisper", seq: 4 });
  expect(done && lines(done.transcript).map(({ text }) => text)).toEqual(["how old"]);
});

test("what two readers of one session tell is told once", () => {
  const state = after(STARTED, FINAL);
  expect(sessions.reducer(state, fact(readMessage(JSON.stringify(STARTED)) as SessionMessage, "s", "sse"))).toBe(state);
});

test("acknowledgements, warnings, refusals and the end", () => {
  const state = after(
    { type: "audio-ack", audio_offset: 16000, seq: 1 },
    { type: "warning", code: "handed-on", message: "another engine hears it", seq: 2 },
    { type: "error", code: "bad-value", message: "no", seq: 2 },
    { type: "wake-word", phrase: "hey hub", at: 10, seq: 3 },
    { type: "closed", reason: "close", audio_offset: 32000, seq: 4 },
  ).s;
  expect(state?.notes.map(({ kind }) => kind)).toEqual(["warning", "error", "wake-word"]);
  expect(state).toMatchObject({ acknowledged: 32000, connection: "closed", ending: "close" });
});

test("a broken connection comes back", () => {
  const broken = sessions.reducer(after(STARTED), told(CONNECTION, { state: "broken" }, opened.meta));
  expect(broken["s"]?.connection).toBe("broken");
  expect(sessions.reducer(broken, opened)["s"]).toMatchObject({ connection: "live", speaking: 1 });
});

test("a session that is forgotten leaves nothing, and one that is not there is not made", () => {
  expect(sessions.reducer(after(STARTED), told(FORGOTTEN, null, opened.meta))).toEqual({});
  expect(sessions.reducer({}, fact(readMessage(JSON.stringify(STARTED)) as SessionMessage, "s", "http"))).toEqual({});
});

test("notes are bounded", () => {
  const many = Array.from({ length: 100 }, (_, index) => ({ type: "warning", code: "not-as-asked", message: "…", seq: index + 1 }));
  expect(after(...many).s?.notes.length).toBe(20);
});
