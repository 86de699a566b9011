/** The core against a hub that keeps the protocol's promises, over connections that break anywhere. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { backoff, MAX_COMMANDS, SessionCore } from "../dist/core.js";
import { HubError } from "../dist/index.js";
import { readMessage } from "../dist/messages.js";
import { chance } from "./chance.mjs";

const FORMAT = { sample_rate: 1000, channels: 1, encoding: "pcm_s16le" };
const FRAME = 2;

/** A hub with one session: takes audio and commands in order, numbers what it says, and keeps it. */
class ModelHub {
  heard = Buffer.alloc(0);
  commands = [];
  log = [];
  isOver = false;

  get offset() {
    return this.heard.length / FRAME;
  }

  say(message) {
    this.log.push({ ...message, seq: this.log.length + 1 });
  }

  ready(seq) {
    return { type: "ready", seq, session: "s", role: "publisher", provider: "p", format: FORMAT, audio_offset: this.offset, resume_window: 60 };
  }

  take(out) {
    if (this.isOver) {
      return;
    }
    if (out.kind === "audio") {
      const before = Math.floor(this.offset / 1000);
      this.heard = Buffer.concat([this.heard, out.data]);
      if (Math.floor(this.offset / 1000) > before) {
        this.say({ type: "audio-ack", audio_offset: this.offset });
      }
      return;
    }
    const { type } = out.message;
    this.commands.push([type, this.offset]);
    if (type === "finalize" || type === "clear") {
      this.say({ type: "endpoint", utterance: 1, at: 0, reason: type });
    }
    if (type === "close") {
      this.isOver = true;
      this.say({ type: "closed", reason: "close", audio_offset: this.offset });
    }
  }
}

function opened(limits) {
  const core = new SessionCore({ type: "start" }, limits);
  const hub = new ModelHub();
  assert.deepEqual(core.opening(), { type: "start" });
  core.receive(readMessage(JSON.stringify(hub.ready(0))));
  return { core, hub };
}

const audio = (samples, value = 1) => new Uint8Array(samples * FRAME).fill(value);

test("whatever breaks, the hub hears the audio once and the reader is told each message once, in order", () => {
  let cuts = 0;
  for (let seed = 1; seed <= 150; seed += 1) {
    const { below, is } = chance(seed);
    const { core, hub } = opened({ keepSeconds: 4, aheadSeconds: 2 });
    let spoken = Buffer.alloc(0);
    const asked = [];
    const told = [];
    let toHub = [];
    let toClient = [];
    let cursor = 0;
    let isClosing = false;
    const receive = (message) => told.push(...core.receive(readMessage(JSON.stringify(message))));
    for (let step = 0; core.state !== "over"; step += 1) {
      assert.ok(step < 20_000, `seed ${seed} has no end`);
      const room = core.room / FRAME;
      if (!isClosing && step < 120 && room > 0 && is(0.7)) {
        const data = Uint8Array.from({ length: Math.min(room, 1 + below(400)) * FRAME }, () => below(256));
        spoken = Buffer.concat([spoken, data]);
        core.push(data);
      } else if (!isClosing && is(0.05)) {
        const type = ["finalize", "clear", "configure"][below(3)];
        core.command({ type });
        asked.push([type, spoken.length / FRAME]);
      } else if (!isClosing && step >= 120) {
        core.command({ type: "close" });
        isClosing = true;
      }
      for (let count = below(4); count > 0; count -= 1) {
        const out = core.next();
        if (out !== undefined) {
          toHub.push(out);
        }
      }
      for (let count = below(5); count > 0 && toHub.length > 0; count -= 1) {
        hub.take(toHub.shift());
      }
      for (; cursor < hub.log.length; cursor += 1) {
        toClient.push(hub.log[cursor]);
      }
      for (let count = below(4); count > 0 && toClient.length > 0; count -= 1) {
        receive(toClient.shift());
      }
      if (core.state !== "over" && is(0.05)) {
        cuts += 1;
        // What is on its way is lost, here at any place, within a piece of audio too.
        const [first] = toHub;
        if (first?.kind === "audio") {
          hub.take({ ...first, data: first.data.subarray(0, below(first.data.length / FRAME) * FRAME) });
        }
        assert.equal(core.broke({ code: 1006 }).comesBack, true);
        toHub = [];
        toClient = [];
        const attach = core.opening();
        assert.deepEqual([attach.type, attach.session, attach.take_over], ["attach", "s", true]);
        cursor = attach.seq;
        receive(hub.ready(attach.seq));
      }
    }
    assert.ok(hub.heard.equals(spoken), `seed ${seed}: ${hub.heard.length} bytes of ${spoken.length}`);
    assert.deepEqual(told.map((message) => message.seq), hub.log.map((message) => message.seq), `seed ${seed}`);
    for (const command of asked) {
      assert.ok(hub.commands.some((done) => String(done) === String(command)), `seed ${seed}: ${command} was not done`);
    }
    // Nothing but a command that may have been lost is said twice, and then at the same place.
    const places = [...new Set(hub.commands.map(String))].filter((place) => !place.startsWith("close"));
    assert.deepEqual(places.sort(), [...new Set(asked.map(String))].sort(), `seed ${seed}`);
    assert.equal(core.room, 4 * 1000 * FRAME);
  }
  assert.ok(cuts > 500, `only ${cuts} cuts`);
});

test("what is kept is bounded, and so is what is on its way", () => {
  const { core } = opened({ keepSeconds: 4, aheadSeconds: 2 });
  assert.equal(core.room, 4 * 1000 * FRAME);
  core.push(audio(4 * 1000));
  assert.equal(core.room, 0);
  assert.throws(() => core.push(audio(1)), RangeError);
  let sent = 0;
  for (let out = core.next(); out !== undefined; out = core.next()) {
    sent += out.data.byteLength / FRAME;
  }
  assert.equal(sent, 2 * 1000);
  core.receive({ type: "audio-ack", seq: 1, audio_offset: 1000 });
  assert.equal(core.room, 1000 * FRAME);
  assert.equal(core.next().offset, 2 * 1000);
});

test("commands without an answer are bounded", () => {
  const { core } = opened();
  for (let count = 0; count < MAX_COMMANDS; count += 1) {
    core.command({ type: "configure", levels: true });
  }
  assert.throws(() => core.command({ type: "finalize" }), /wait for their answer/);
});

test("half a sample is refused", () => {
  const { core } = opened();
  assert.throws(() => core.push(new Uint8Array(3)), /whole samples/);
});

test("a viewer says nothing", () => {
  const core = new SessionCore({ type: "attach", session: "s", role: "viewer" });
  core.receive(readMessage(JSON.stringify({ ...new ModelHub().ready(0), role: "viewer" })));
  assert.throws(() => core.push(audio(1)), /only listens/);
  assert.throws(() => core.command({ type: "close" }), /only listens/);
  core.broke({ code: 1006 });
  assert.deepEqual(core.opening(), { type: "attach", session: "s", role: "viewer", seq: 0 });
});

test("after close nothing is taken, and a second close that is refused is no news", () => {
  const { core } = opened();
  core.command({ type: "close" });
  assert.throws(() => core.push(audio(1)), /closing/);
  assert.deepEqual(core.receive(readMessage('{"type":"error","code":"closing","message":"wait"}')), []);
});

test("to a session that the hub closes nothing more is sent, and its last message is still read", () => {
  const { core, hub } = opened();
  core.push(audio(500));
  core.next();
  core.receive(readMessage('{"type":"error","code":"closing","message":"wait for closed"}'));
  assert.equal(core.next(), undefined);
  core.receive(readMessage('{"type":"error","code":"too-many-errors","message":"32"}'));
  assert.equal(core.broke({ code: 1008 }).comesBack, true);
  core.receive(readMessage(JSON.stringify(hub.ready(0))));
  assert.equal(core.next(), undefined);
  core.receive(readMessage('{"type":"closed","seq":1,"reason":"expired"}'));
  assert.equal(core.state, "over");
});

test("messages that are skipped or unknown are no gap; those that are missing are", () => {
  const { core } = opened();
  const partial = (seq, skipped) => ({ type: "partial", seq, utterance: 1, hypothesis: {}, ...(skipped && { skipped }) });
  assert.deepEqual(core.receive(partial(3, 2)).map((message) => message.type), ["partial"]);
  assert.deepEqual(core.receive({ type: "unknown", seq: 4 }), []);
  assert.deepEqual(core.receive(partial(5)).map((message) => message.type), ["partial"]);
  assert.deepEqual(core.receive(partial(5)), []);
  assert.deepEqual(core.receive(partial(8)).map((message) => message.type), ["gap", "partial"]);
});

test("where what was missed is no longer kept, the reader is told of the gap and goes on", () => {
  const { core, hub } = opened();
  core.receive({ type: "audio-ack", seq: 1, audio_offset: 0 });
  core.broke({ code: 1006 });
  core.receive(readMessage('{"type":"error","code":"resume-gap","message":"attach without seq"}'));
  assert.equal(core.broke({ code: 1008 }).comesBack, true);
  assert.equal("seq" in core.opening(), false);
  assert.deepEqual(core.receive(readMessage(JSON.stringify(hub.ready(7)))), [{ type: "gap", after: 1, next: 8 }]);
  assert.equal(core.seq, 7);
});

test("which ends are worth coming back from", () => {
  const end = (state, ending, error) => {
    const { core, hub } = opened();
    if (state === "opening") {
      core.broke({ code: 1006 });
    }
    if (error !== undefined) {
      core.receive(readMessage(JSON.stringify({ type: "error", message: "m", ...error })));
    }
    void hub;
    return core.broke(ending).comesBack;
  };
  for (const code of [1000, 1001, 1005, 1006, 1011, 1012, 1013]) {
    assert.equal(end("live", { code }), true, `${code}`);
  }
  for (const code of [1002, 1003, 1007, 1008, 1009]) {
    assert.equal(end("live", { code }), false, `${code}`);
  }
  for (const code of ["taken-over", "odd-byte-count", "too-many-errors"]) {
    assert.equal(end("live", { code: 1008 }, { code }), false, code);
  }
  for (const code of ["unknown-session", "unauthorized", "forbidden", "stale-seq"]) {
    assert.equal(end("opening", { code: 1006 }, { code }), false, code);
  }
  for (const code of ["shutting-down", "slow-client", "internal"]) {
    assert.equal(end("live", { code: 1008 }, { code }), true, code);
  }
  assert.equal(end("live", { code: 1013 }, { code: "overloaded", retryable: true }), true);
  assert.equal(end("live", { code: 1006 }, { code: "bad-value" }), true, "a refusal is not why the line broke");
  assert.equal(end("live", { code: 1006, error: new HubError("forbidden", "no") }), false);
});

test("the wait before the next try grows, to a limit, and is never the same for all", () => {
  assert.equal(backoff(0, 1), 0);
  assert.deepEqual([1, 2, 3].map((attempt) => backoff(attempt, 1)), [0.25, 0.5, 1]);
  assert.equal(backoff(4, 0), backoff(4, 1) / 2);
  assert.equal(backoff(50, 1), 8);
});
