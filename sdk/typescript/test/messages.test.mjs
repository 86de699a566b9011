/** Messages of the hub, events of its streams, and samples: read whatever comes. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { EventParser } from "../dist/events.js";
import { Inbox, MAX_WAITING } from "../dist/inbox.js";
import { SlowReader } from "../dist/index.js";
import { readMessage } from "../dist/messages.js";
import { refusal } from "../dist/refusal.js";
import { toBytes, toInt16 } from "../dist/samples.js";
import { chance } from "./chance.mjs";

test("what a message leaves out is filled in, and what is not known stays", () => {
  const text = '{"type":"final","seq":3,"utterance":1,"reason":"silence","mood":"calm","hypothesis":{"text":"a","start":0,"end":9,"words":[{"text":"a","start":0,"end":9}]}}';
  const message = readMessage(text);
  assert.equal(message.latency_ms, null);
  assert.equal(message.mood, "calm");
  assert.deepEqual(message.hypothesis.alternatives, []);
  assert.deepEqual(message.hypothesis.words, [{ text: "a", start: 0, end: 9, confidence: null }]);
  assert.equal(message.hypothesis.pass, "fast");
  assert.notEqual(readMessage(text).hypothesis.tags, message.hypothesis.tags);
});

test("a message of a newer hub is counted and not told", () => {
  assert.deepEqual(readMessage('{"type":"applause","seq":4,"skipped":2}'), { type: "unknown", seq: 4, skipped: 2 });
  assert.equal(readMessage('{"type":"toString","seq":4}').type, "unknown");
});

test("what is no message is refused", () => {
  for (const text of ["", "{", "[]", "null", '"final"', "{}", '{"type":1}', '{"type":"final","seq":1}']) {
    assert.throws(() => readMessage(text), SyntaxError, text);
  }
});

test("events are the same however the stream was cut", () => {
  const { below } = chance(11);
  for (const end of ["\n", "\r\n", "\r"]) {
    const lines = [": hello", "id: 1", "event: final", 'data: {"a":1}', "", "retry: 5", "", "id", "data", "data:x", "data:  y", "", "event: lost", ""];
    const text = lines.map((line) => line + end).join("");
    const wanted = [
      { id: "1", event: "final", data: '{"a":1}' },
      { id: "", event: "message", data: "\nx\n y" },
    ];
    for (let round = 0; round < 200; round += 1) {
      const parser = new EventParser();
      const got = [];
      for (let at = 0; at < text.length; ) {
        const size = below(6);
        got.push(...parser.add(text.slice(at, at + size)));
        at += size;
      }
      // A CR may be the first half of a line's end until something follows.
      got.push(...parser.add(": x"));
      assert.deepEqual(got, wanted);
    }
  }
});

test("an event without end is refused", () => {
  const parser = new EventParser();
  assert.throws(() => {
    for (let round = 0; round < 20; round += 1) {
      parser.add(`data: ${"x".repeat(2 ** 20)}`);
    }
  }, RangeError);
});

test("an answer in nobody's words is an error too", () => {
  assert.equal(refusal(401, '{"error":{"code":"unauthorized","message":"no key"}}').code, "unauthorized");
  assert.equal(refusal(503, '{"error":{"code":"overloaded","message":"later","retryable":true}}', "3").retryAfter, 3);
  assert.equal(refusal(502, "<html>").retryable, true);
  assert.equal(refusal(404, "null").code, "http-404");
});

test("samples are written as the format says", () => {
  const format = { sample_rate: 16_000, channels: 1, encoding: "pcm_s16le" };
  assert.deepEqual([...toInt16(Float32Array.of(0, 0.5, 1, -1, 7, -7))], [0, 16384, 32767, -32768, 32767, -32768]);
  assert.deepEqual([...toBytes(Int16Array.of(1, -2), format)], [1, 0, 254, 255]);
  assert.deepEqual([...toBytes(Float32Array.of(0.5), format)], [0, 64]);
  assert.deepEqual([...toBytes(Int16Array.of(9, 1, 9).subarray(1, 2), format)], [1, 0]);
  assert.equal(toBytes(Float32Array.of(0.5), { ...format, encoding: "pcm_f32le" }).length, 4);
  assert.throws(() => toBytes(Int16Array.of(1), { ...format, encoding: "mulaw" }), TypeError);
});

test("a reader gets what was there and what comes, and then the end", async () => {
  const inbox = new Inbox();
  inbox.put(1);
  const read = (async () => {
    const got = [];
    for await (const one of inbox) {
      got.push(one);
    }
    return got;
  })();
  await Promise.resolve();
  inbox.put(2);
  inbox.end();
  inbox.put(3);
  assert.deepEqual(await read, [1, 2]);
});

test("a reader that does not read is told, and holds nothing", async () => {
  const inbox = new Inbox();
  for (let n = 0; n <= MAX_WAITING; n += 1) {
    inbox.put(n);
  }
  await assert.rejects(inbox.next(), SlowReader);
  assert.equal((await inbox.next()).done, true);
});
