/** A session over connections that the test makes, breaks and leaves silent; time is the test's. */
import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { AsrHub, AsrHubError, ConnectionFailed, HubError, Session, SessionLost } from "../dist/index.js";

const FORMAT = { sample_rate: 1000, channels: 1, encoding: "pcm_s16le" };

/** Connections, the newest last. */
class Network {
  links = [];

  dial = (core, events) => {
    const link = { core, events, sent: [], isAbandoned: false, first: core.opening() };
    this.links.push(link);
    return {
      pump: () => {
        for (let out = core.next(); out !== undefined; out = core.next()) {
          link.sent.push(out);
        }
      },
      abandon: () => (link.isAbandoned = true),
    };
  };

  get last() {
    return this.links.at(-1);
  }

  say(message) {
    this.last.events.received(JSON.stringify(message));
  }

  ready(fields = {}) {
    this.say({ type: "ready", seq: this.last.core.seq, session: "s", role: "publisher", provider: "p", format: FORMAT, audio_offset: 0, resume_window: 60, ...fields });
  }
}

let network;

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
  network = new Network();
});

async function opened(options, fields) {
  const opening = Session.open(network.dial, { type: "start" }, options);
  network.ready(fields);
  return opening;
}

/** Let promises that are settled be told. */
async function settle() {
  for (let turn = 0; turn < 20; turn += 1) {
    await Promise.resolve();
  }
}

const samples = (count) => new Int16Array(count);
const closed = { type: "closed", seq: 1, reason: "close", audio_offset: 0 };

test("a hub that refuses is told as it said it, and not asked again", async () => {
  const opening = Session.open(network.dial, { type: "start" });
  network.say({ type: "error", code: "overloaded", message: "later", retryable: true, retry_after: 2 });
  network.last.events.broke({ code: 1013 });
  await assert.rejects(opening, (error) => error instanceof HubError && error.code === "overloaded" && error.retryAfter === 2);
  mock.timers.tick(60_000);
  assert.equal(network.links.length, 1);
});

test("a hub that does not answer is given up", async () => {
  const opening = Session.open(network.dial, { type: "start" }, { connectSeconds: 3 });
  mock.timers.tick(3000);
  await assert.rejects(opening, ConnectionFailed);
  assert.ok(network.last.isAbandoned);
});

test("what is no hub is no session", async () => {
  const opening = Session.open(network.dial, { type: "start" });
  network.last.events.received("<html>");
  await assert.rejects(opening, AsrHubError);
});

test("it comes back as long as the hub keeps the session, and then says that it is lost", async () => {
  const session = await opened();
  const states = [];
  session.on("connection", ({ state }) => states.push(state));
  const lost = [];
  session.on("lost", ({ error }) => lost.push(error));
  network.last.events.broke({ code: 1006 });
  let tries = 0;
  for (let second = 0; second < 240 && lost.length === 0; second += 1) {
    mock.timers.tick(250);
    if (!network.last.isAbandoned) {
      tries += 1;
      network.last.events.broke({ code: 1006, error: new ConnectionFailed("nobody") });
    }
  }
  assert.ok(tries >= 8 && tries <= 40, `${tries} tries in a minute`);
  assert.deepEqual(states, ["broken"]);
  assert.ok(lost[0] instanceof SessionLost && lost[0].cause instanceof ConnectionFailed);
  await assert.rejects(session.closed, SessionLost);
  await assert.rejects(session.send(samples(1)), SessionLost);
  await assert.rejects(session.finalize(), SessionLost);
  await assert.rejects(async () => {
    for await (const _ of session) {
      // Nothing came.
    }
  }, SessionLost);
});

test("a connection that only attaches is no progress: pauses grow, and the session is lost in the end", async () => {
  const session = await opened();
  const lost = [];
  session.on("lost", ({ error }) => lost.push(error));
  network.last.events.broke({ code: 1006 });
  for (let tick = 0; tick < 480 && lost.length === 0; tick += 1) {
    mock.timers.tick(250);
    if (!network.last.isAbandoned) {
      network.ready();
      network.last.events.broke({ code: 1006 });
    }
  }
  const tries = network.links.length;
  assert.ok(tries >= 8 && tries <= 40, `${tries} tries in a minute`);
  assert.equal(lost.length, 1);
});

test("what came through makes the next try one at once, and the window whole again", async () => {
  const progress = [
    (offset) => network.say({ type: "audio-ack", seq: network.last.core.seq + 1, audio_offset: offset }),
    (offset) => network.last.events.taken(offset),
    () => network.say({ type: "applause", seq: network.last.core.seq + 1 }),
    () => mock.timers.tick(10_000), // Nothing to say is no failure, where the connection holds.
  ];
  for (const made of progress) {
    network = new Network();
    const session = await opened();
    for (let turn = 1; turn <= 100; turn += 1) {
      void session.send(samples(10));
      made(10 * turn);
      network.last.events.broke({ code: 1006 });
      mock.timers.tick(700);
      network.last.events.broke({ code: 1006, error: new ConnectionFailed("nobody") });
      mock.timers.tick(700);
      assert.equal(network.links.length, 1 + 2 * turn);
      network.ready({ audio_offset: session.acknowledged });
    }
    session.leave();
  }
});

test("it comes back when the hub says, not before", async () => {
  await opened();
  network.say({ type: "error", code: "slow-client", message: "read faster", retryable: true, retry_after: 5 });
  network.last.events.broke({ code: 1013 });
  mock.timers.tick(4999);
  assert.equal(network.links.length, 1);
  mock.timers.tick(1);
  assert.equal(network.links.length, 2);
});

test("without resume the first break is the last", async () => {
  const session = await opened({ resume: false });
  network.last.events.broke({ code: 1006 });
  await assert.rejects(session.closed, SessionLost);
});

test("a hub that fell silent while it owes something is left for a new connection", async () => {
  const session = await opened({ stallSeconds: 10 });
  await session.send(samples(3000));
  mock.timers.tick(9000);
  assert.equal(network.links.length, 1);
  network.last.events.alive();
  mock.timers.tick(9000);
  assert.equal(network.links.length, 1);
  mock.timers.tick(4000);
  assert.ok(network.links[0].isAbandoned);
  assert.equal(network.links.length, 2);
  assert.deepEqual(network.last.first, { type: "attach", session: "s", role: "publisher", seq: 0, take_over: true });
  network.ready({ audio_offset: 1250 });
  assert.equal(network.last.sent[0].offset, 1250);
  session.leave();
});

test("a hub that owes nothing may be silent", async () => {
  const session = await opened({ stallSeconds: 10 });
  mock.timers.tick(600_000);
  assert.equal(network.links.length, 1);
  session.leave();
});

test("send waits for room, and what follows keeps its place", async () => {
  const session = await opened({ keepSeconds: 2 });
  const done = [];
  void session.send(samples(5000)).then(() => done.push("audio"));
  void session.finalize().then(() => done.push("finalize"));
  void session.send(samples(10)).then(() => done.push("more"));
  await settle();
  assert.deepEqual(done, []);
  for (const [seq, audio_offset] of [[1, 1000], [2, 2500], [3, 4500]]) {
    network.say({ type: "audio-ack", seq, audio_offset });
    await settle();
  }
  assert.deepEqual(done, ["audio", "finalize", "more"]);
  const sent = network.last.sent;
  const offsets = sent.filter((out) => out.kind === "audio").map((out) => out.offset);
  assert.deepEqual(offsets, [...offsets].sort((a, b) => a - b));
  assert.equal(sent.at(-2).message.type, "finalize");
  assert.equal(sent.at(-1).offset, 5000);
  session.leave();
});

test("audio may be changed as soon as send returned", async () => {
  const session = await opened();
  const audio = Int16Array.of(1, 2, 3);
  void session.send(audio);
  audio.fill(9);
  assert.deepEqual([...new Int16Array(network.last.sent[0].data.buffer)], [1, 2, 3]);
  session.leave();
});

test("a loop that begins late is told everything, and every listener is told once", async () => {
  const session = await opened();
  const heard = [];
  const stop = session.on("closed", (message) => heard.push(message.seq));
  session.on("closed", (message) => heard.push(-message.seq));
  stop();
  network.say({ type: "audio-ack", seq: 1, audio_offset: 0 });
  network.say({ type: "audio-ack", seq: 1, audio_offset: 0 });
  network.say({ type: "applause", seq: 2 });
  network.say({ ...closed, seq: 3 });
  const seqs = [];
  for await (const message of session) {
    seqs.push(message.seq);
  }
  assert.deepEqual(seqs, [1, 3]);
  assert.deepEqual(heard, [-3]);
  assert.equal((await session.closed).reason, "close");
  assert.equal((await session.close()).seq, 3);
  await assert.rejects(session.send(samples(1)), /closed/);
  assert.ok(network.last.isAbandoned);
});

test("leaving hangs up and ends the loop", async () => {
  const session = await opened();
  const reading = (async () => {
    for await (const _ of session) {
      // Nothing comes.
    }
    return "ended";
  })();
  await settle();
  session.leave();
  assert.equal(await reading, "ended");
  assert.ok(network.last.isAbandoned);
  assert.equal(network.last.sent.length, 0);
});

test("a viewer watches and says nothing", async () => {
  const opening = Session.open(network.dial, { type: "attach", session: "s", role: "viewer" });
  network.ready({ role: "viewer", seq: 5 });
  const session = await opening;
  await assert.rejects(session.send(samples(1)), /only listens/);
  network.say({ type: "audio-ack", seq: 6, audio_offset: 0 });
  network.last.events.broke({ code: 1006 });
  mock.timers.tick(1);
  assert.deepEqual(network.last.first, { type: "attach", session: "s", role: "viewer", seq: 6 });
  session.leave();
});

test("a program that was started again speaks on where the hub stands", async () => {
  const before = await opened();
  const audio = Int16Array.from({ length: 400 }, (_, index) => index);
  await before.send(audio);
  network.say({ type: "audio-ack", seq: 1, audio_offset: 150 });
  const kept = { offset: before.acknowledged, bytes: before.unheard };
  assert.deepEqual(new Int16Array(kept.bytes.buffer), audio.subarray(150));
  before.leave();

  const opening = Session.open(network.dial, { type: "attach", session: "s", role: "publisher", take_over: true, seq: 1 });
  network.ready({ seq: 1, audio_offset: 200 });
  const session = await opening;
  await session.send(kept.bytes.subarray((session.acknowledged - kept.offset) * 2));
  assert.equal(network.last.sent[0].offset, 200);
  assert.deepEqual(new Int16Array(session.unheard.buffer), audio.subarray(200));
  session.leave();
});

test("what the hub did not take when it ended the session comes back, after all that was said", async () => {
  const session = await opened({ keepSeconds: 1 });
  const lost = [];
  session.on("lost", ({ error }) => lost.push(error));
  const audio = Int16Array.from({ length: 1400 }, (_, index) => index);
  await session.send(audio.subarray(0, 900));
  const sending = assert.rejects(session.send(audio.subarray(900)), (error) => {
    assert.deepEqual(new Int16Array(error.audio.buffer), audio.subarray(150));
    return error instanceof SessionLost;
  });
  await settle();
  const told = [];
  const reading = assert.rejects(async () => {
    for await (const message of session) {
      told.push(message.type);
    }
  }, SessionLost);
  network.say({ ...closed, reason: "shutdown", audio_offset: 150 });
  await sending;
  await reading;
  assert.deepEqual(told, ["closed"]);
  assert.equal(lost.length, 1);
  await assert.rejects(session.closed, (error) => error.reason === "shutdown" && error.audio.byteLength === 2 * 850);
  await assert.rejects(session.close(), SessionLost);
  await assert.rejects(session.send(audio.subarray(0, 1)), (error) => error.audio.byteLength === 2 * 851);
});

test("an end that nobody here asked for is no error where nothing is missing", async () => {
  const session = await opened();
  await session.send(samples(100));
  network.say({ ...closed, reason: "expired", audio_offset: 100 });
  for await (const message of session) {
    assert.equal(message.type, "closed");
  }
  assert.equal((await session.closed).reason, "expired");
});

test("audio that the hub refuses for good is told as it said it", async () => {
  const code = "container-in-raw-audio";
  const ends = [
    () => network.say({ type: "error", seq: 0, code, message: "send raw audio", retryable: false }),
    () => network.say({ ...closed, reason: code }),
  ];
  for (const end of ends) {
    network = new Network();
    const session = await opened();
    await session.send(samples(100));
    end();
    network.last.events.broke({ code: 1003 });
    await assert.rejects(session.closed, (error) => error instanceof HubError && error.code === code);
    await assert.rejects(async () => {
      for await (const _ of session) {
        // What came before it.
      }
    }, HubError);
    await assert.rejects(session.send(samples(1)), HubError);
  }
});

test("a transport that there is none of is told", () => {
  const url = "http://127.0.0.1:8765";
  assert.throws(() => new AsrHub({ url, transport: "ws" }), /"ws" is no transport .* websocket, http/);
  assert.ok(new AsrHub({ url, transport: undefined }));
});

test("a session that is carried over another transport sends there what was not taken, and its commands", async () => {
  const session = await opened({ resume: false });
  const states = [];
  session.on("connection", ({ state }) => states.push(state));
  await session.send(samples(300));
  await session.configure({ provider: "q" });
  await session.finalize();
  const former = network;
  network = new Network();
  session.redial(network.dial);
  assert.ok(former.last.isAbandoned);
  assert.deepEqual(network.last.first, { type: "attach", session: "s", role: "publisher", seq: 0, take_over: true });
  // Chosen once more, before the first choice came about.
  const overtaken = network;
  network = new Network();
  session.redial(network.dial);
  assert.ok(overtaken.last.isAbandoned);
  overtaken.last.events.broke({ code: 1006 });
  await session.send(samples(50));
  network.ready({ audio_offset: 200 });
  await settle();
  assert.deepEqual(
    network.last.sent.map((out) => (out.kind === "audio" ? [out.offset, out.data.byteLength / 2] : out.message.type)),
    [[200, 100], "configure", "finalize", [300, 50]],
  );
  assert.equal(network.links.length, 1);
  assert.deepEqual(states, ["broken", "live"]);
  assert.equal(session.acknowledged, 200);
});
