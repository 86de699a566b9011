// @vitest-environment jsdom
import type { Microphone } from "asr-hub-client";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { live as words } from "../i18n/live.js";
import { providersRead } from "../store/hub.js";
import { makeStore, type Store } from "../store/store.js";
import { LiveLink } from "./link.js";

/** As much of a hub as a session needs, at the other end of each WebSocket. */
class FakeHub {
  /** Of each session: the messages that it was sent, and how many samples. */
  sessions: { told: string[]; wishes: object[]; samples: number; isOver: boolean }[] = [];
  /** Where it is false a socket waits for its answer. */
  isQuick = true;
  isForgetful = false;
  key: string | undefined;
  sockets: FakeSocket[] = [];
  #late: (() => void)[] = [];

  answer(work: () => void): void {
    if (this.isQuick) {
      queueMicrotask(work);
    } else {
      this.#late.push(work);
    }
  }

  /** Everything that waits is answered. */
  catchUp(): void {
    this.isQuick = true;
    this.#late.splice(0).forEach((work) => work());
  }

  get last() {
    return this.sessions.at(-1);
  }
}

let hub: FakeHub;

class FakeSocket {
  readyState = 0;
  binaryType = "";
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  onerror = null;
  #number = -1;
  #seq = 0;

  constructor(_url: string, protocols: string[]) {
    hub.sockets.push(this);
    queueMicrotask(() => {
      if (hub.key === undefined || protocols.includes(hub.key)) {
        this.readyState = 1;
        this.onopen?.();
      } else {
        this.drop();
      }
    });
  }

  send(data: string | Uint8Array): void {
    const session = hub.sessions[this.#number];
    if (typeof data !== "string") {
      if (session !== undefined) {
        session.samples += data.byteLength / 2;
      }
      return;
    }
    const message = JSON.parse(data) as { type: string; session?: string };
    session?.told.push(message.type);
    switch (message.type) {
      case "start":
        this.#number = hub.sessions.push({ told: [], wishes: [], samples: 0, isOver: false }) - 1;
        this.#ready();
        break;
      case "attach":
        if (hub.isForgetful) {
          this.#say({ type: "error", code: "unknown-session", message: "there is no such session", retryable: false, retry_after: null, scope: "session" });
          this.drop(1008);
        } else {
          this.#number = Number(message.session);
          this.#ready();
        }
        break;
      case "close":
        hub.answer(() => {
          if (session !== undefined) {
            session.isOver = true;
            this.#say({ type: "closed", reason: "close", audio_offset: session.samples });
          }
        });
        break;
      case "configure":
        session?.wishes.push(message);
        break;
      default:
    }
  }

  #ready(): void {
    hub.answer(() => {
      const format = { sample_rate: 16_000, channels: 1, encoding: "pcm_s16le" };
      const offset = hub.sessions[this.#number]?.samples ?? 0;
      this.#say({ type: "ready", session: String(this.#number), role: "publisher", provider: "p", format, audio_offset: offset, resume_window: 60 }, 0);
    });
  }

  #say(message: object, step = 1): void {
    this.#seq += step;
    this.onmessage?.({ data: JSON.stringify({ ...message, seq: this.#seq }) });
  }

  /** By somebody else, before it took all that was spoken. */
  end(): void {
    this.#say({ type: "closed", reason: "admin", audio_offset: 0 });
  }

  close(): void {
    this.readyState = 3;
  }

  drop(code = 1006): void {
    this.readyState = 3;
    this.onclose?.({ code, reason: "" });
  }
}

/** Microphones that were asked for; each is given, or refused, by the test. */
class Ears {
  asked: { sink: Parameters<typeof Microphone.open>[0]; onError?: (error: Error) => void; isStopped: boolean; give: () => void; refuse: () => void }[] = [];
  /** Whether the browser gives one without asking. */
  isGiven = true;

  readonly open = ((sink, options) =>
    new Promise((resolve, reject) => {
      const one = {
        sink,
        ...(options?.onError && { onError: options.onError }),
        isStopped: false,
        give: () =>
          resolve({
            droppedSeconds: 0,
            stop: () => {
              one.isStopped = true;
              return Promise.resolve();
            },
          } as unknown as Microphone),
        refuse: () => reject(new Error("refused")),
      };
      this.asked.push(one);
      if (this.isGiven) {
        one.give();
      }
    })) as typeof Microphone.open;

  get last() {
    return this.asked.at(-1);
  }
}

let ears: Ears;
let store: Store;
let link: LiveLink;

const live = () => store.getState().live;
const notices = () => store.getState().notices.map(({ text }) => text);
const turn = () => new Promise((resolve) => setTimeout(resolve));
const until = (wanted: () => void) => vi.waitFor(wanted, { interval: 1 });

beforeEach(() => {
  sessionStorage.clear();
  hub = new FakeHub();
  ears = new Ears();
  store = makeStore();
  link = new LiveLink(store, ears.open);
  vi.stubGlobal("WebSocket", FakeSocket);
  // In Node.js the client prefers a package that brings sockets of its own.
  vi.stubGlobal("process", Object.create((globalThis as unknown as { process: object }).process, { versions: { value: {} } }));
  vi.stubGlobal("fetch", () => Promise.resolve(new Response("[]")));
});

afterEach(() => {
  vi.unstubAllGlobals();
});

describe("a person who clicks faster than the hub answers", () => {
  it("ends the session while it comes, and is left with none", async () => {
    hub.isQuick = false;
    const listening = link.listen();
    await turn();
    const stopping = link.stop();
    expect(live().phase).toBe("closing");
    await turn();
    hub.catchUp();
    await Promise.all([listening, stopping]);
    await until(() => expect(live().phase).toBe("idle"));
    expect(hub.sessions.map(({ isOver }) => isOver)).toEqual([true]);
    expect(ears.asked.map(({ isStopped }) => isStopped)).toEqual([true]);
    expect(notices()).toEqual([]);
  });

  it("opens one session, whatever is asked for while it comes", async () => {
    hub.isQuick = false;
    const listening = link.listen();
    await turn();
    const others = [link.play(new File([], "a.wav")), link.listen(), link.change({ language: "de" })];
    await turn();
    hub.catchUp();
    await Promise.all([listening, ...others]);
    expect(hub.sessions).toHaveLength(1);
    expect(hub.last?.told).toEqual(["configure"]);
    expect(live().phase).toBe("listening");
    expect(ears.asked.filter(({ isStopped }) => !isStopped)).toHaveLength(1);
  });

  it("pauses and speaks on, and is heard once", async () => {
    await link.listen();
    await Promise.all([link.pause(), link.pause(), link.listen()]);
    expect(live().phase).toBe("listening");
    expect(ears.asked.map(({ isStopped }) => isStopped)).toEqual([true, false]);
  });

  it("ends a session twice, and is told of no mistake", async () => {
    await link.listen();
    await Promise.all([link.stop(), link.stop()]);
    await until(() => expect(live().phase).toBe("idle"));
    expect(hub.last?.told).toEqual(["close"]);
    expect(notices()).toEqual([]);
  });
});

describe("a microphone", () => {
  it("that is given after the end is closed, and heard by nobody", async () => {
    ears.isGiven = false;
    const listening = link.listen();
    await until(() => expect(ears.asked).toHaveLength(1));
    await link.stop();
    ears.last?.give();
    await listening;
    await until(() => expect(ears.last?.isStopped).toBe(true));
    await ears.last?.sink.send(new Int16Array(800));
    expect(hub.sessions).toEqual([]);
    expect(live().phase).toBe("idle");
  });

  it("that is refused after the end is not complained about", async () => {
    ears.isGiven = false;
    const listening = link.listen();
    await until(() => expect(ears.asked).toHaveLength(1));
    await link.stop();
    ears.last?.refuse();
    await listening;
    expect(notices()).toEqual([]);
    expect(live().phase).toBe("idle");
  });

  it("that is refused opens no session, and one may try again", async () => {
    ears.isGiven = false;
    const listening = link.listen();
    await until(() => expect(ears.asked).toHaveLength(1));
    ears.last?.refuse();
    await listening;
    expect(notices()).toEqual(["refused"]);
    expect(live().phase).toBe("idle");
    expect(hub.sessions).toEqual([]);
    ears.isGiven = true;
    await link.listen();
    expect(live().phase).toBe("listening");
    expect(hub.sessions).toHaveLength(1);
  });

  it("is heard while the session comes, and closed where none comes", async () => {
    hub.isQuick = false;
    const listening = link.listen();
    await until(() => expect(hub.sessions).toHaveLength(1));
    const said = ears.last?.sink.send(new Int16Array(800));
    hub.catchUp();
    await Promise.all([listening, said]);
    expect(hub.last?.samples).toBe(800);
    await link.stop();
    await until(() => expect(live().phase).toBe("idle"));
    vi.stubGlobal("fetch", () => Promise.reject(new TypeError("no hub")));
    hub.key = "another";
    await link.listen();
    expect(live().phase).toBe("idle");
    expect(ears.last?.isStopped).toBe(true);
  });

  it("that is unplugged pauses, and says so", async () => {
    await link.listen();
    ears.last?.onError?.(new Error("the microphone went away"));
    expect(live().phase).toBe("paused");
    expect(notices()).toEqual(["the microphone went away"]);
  });

  it("is the last one that was chosen", async () => {
    await link.listen();
    ears.isGiven = false;
    const changes = [link.change({ device: "one" }), link.change({ device: "two" })];
    await until(() => expect(ears.asked).toHaveLength(2));
    ears.last?.give();
    await Promise.all(changes);
    expect(ears.asked.map(({ isStopped }) => isStopped)).toEqual([true, false]);
    await ears.last?.sink.send(new Int16Array(800));
    expect(hub.last?.samples).toBe(800);
    expect(live().phase).toBe("listening");
  });

  it("that is pushed to talk is heard while it is held, and a moment longer", async () => {
    await link.change({ mode: "push-to-talk" });
    await link.hold();
    const say = () => ears.last?.sink.send(new Int16Array(800));
    await say();
    link.release();
    for (let block = 0; block < 9; block += 1) {
      await say();
    }
    expect(hub.last).toMatchObject({ samples: 5 * 800, told: ["finalize"] });
    await link.hold();
    await say();
    // The button goes away with the mode: nobody lets it go.
    await link.change({ mode: "hands-free" });
    await link.change({ mode: "push-to-talk" });
    await say();
    expect(hub.last?.samples).toBe(6 * 800);
  });
});

describe("a session", () => {
  it("that the hub no longer has is told, and another begins", async () => {
    await link.listen();
    hub.isForgetful = true;
    hub.sockets.at(-1)?.drop();
    await until(() => expect(live().phase).toBe("idle"));
    expect(store.getState().sessions["0"]).toMatchObject({ connection: "lost" });
    expect(notices()).toHaveLength(1);
    expect(ears.last?.isStopped).toBe(true);
    await link.listen();
    expect(live()).toMatchObject({ phase: "listening", session: "1" });
  });

  it("is not taken over from itself where the view is left and come back to", async () => {
    await link.comeBack();
    await link.listen();
    await link.comeBack();
    expect(hub.sockets).toHaveLength(1);
    expect(live().phase).toBe("listening");
  });

  it("that somebody else ended is told in words, and what was heard stays", async () => {
    await link.listen();
    await ears.last?.sink.send(new Int16Array(800));
    hub.sockets.at(-1)?.end();
    await until(() => expect(live().phase).toBe("idle"));
    expect(store.getState().sessions["0"]).toMatchObject({ connection: "closed", ending: "admin" });
    expect(live().session).toBe("0");
    expect(notices()).toEqual([words.en.closedElsewhere]);
  });

  it("goes on with the hub's default engine where that is chosen again", async () => {
    store.dispatch(providersRead([{ name: "second", is_default: true, health: "ready" }] as never));
    await link.change({ provider: "first" });
    await link.listen();
    await link.change({ provider: "" });
    expect(hub.last?.wishes).toEqual([{ type: "configure", provider: "second" }]);
  });

  it("goes on where the line broke", async () => {
    await link.listen();
    await ears.last?.sink.send(new Int16Array(800));
    hub.sockets.at(-1)?.drop();
    await ears.last?.sink.send(new Int16Array(800));
    await until(() => expect(hub.last?.samples).toBe(1600));
    expect(live().phase).toBe("listening");
  });

  it("for which the key is no longer good asks for another one", async () => {
    sessionStorage.setItem("asr-hub-key", "old");
    hub.key = "new";
    vi.stubGlobal("fetch", (_: string, { headers }: { headers: Headers }) => {
      const isGood = headers.get("authorization") === "Bearer new";
      return Promise.resolve(new Response(isGood ? "[]" : '{"error":{"code":"unauthorized","message":"no"}}', { status: isGood ? 200 : 401 }));
    });
    const { onKeyWanted } = await import("../api.js");
    onKeyWanted(() => Promise.resolve("new"));
    await link.listen();
    expect(live().phase).toBe("listening");
    expect(notices()).toEqual([]);
  });
});
