// @vitest-environment jsdom
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { makeStore } from "../store/store.js";
import { moved, NO_TIMELINE } from "./slice.js";
import { Traveller } from "./traveller.js";

let isAway = false;

const COUNT = 3;

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("fetch", (url: string) => (isAway ? Promise.reject(new TypeError("refused")) : Promise.resolve(answer(new URL(url)))));
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  isAway = false;
});

/** A hub with one recording, of which nothing more is made. */
function answer({ pathname, searchParams }: URL): Response {
  const [after, limit] = [Number(searchParams.get("after")), Number(searchParams.get("limit"))];
  const all = Array.from({ length: COUNT }, (_, index) => ({ seq: index + 1, action: { type: "[Audio] Taken", at: index } }));
  const told: Record<string, unknown> = {
    actions: { first: 0, last: COUNT, more: false, has_text: true, actions: all.slice(after, after + limit) },
    state: { at: Number(searchParams.get("at")), state: { sessions: {} } },
    causes: { at: 1, causes: [] },
  };
  return Response.json(told[pathname.split("/").at(-1) ?? ""] ?? { is_live: false });
}

function travel() {
  const store = makeStore();
  const timeline = () => store.getState().timeline ?? NO_TIMELINE;
  return { dispatch: store.dispatch, timeline, traveller: new Traveller({ of: "recordings", name: "r" }, store.dispatch, timeline) };
}

it("a hub that is away when a recording is opened is asked until it is back", async () => {
  isAway = true;
  const { timeline, traveller } = travel();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(timeline().error?.message).toContain("does not answer");
  isAway = false;
  await vi.advanceTimersByTimeAsync(10_000);
  expect(timeline()).toMatchObject({ error: null, reading: "over", rows: { length: COUNT } });
  traveller.close();
});

it("a state that could not be asked for is asked for again, and what was seen elsewhere is not shown meanwhile", async () => {
  const { dispatch, timeline, traveller } = travel();
  await vi.advanceTimersByTimeAsync(100);
  traveller.look();
  await vi.advanceTimersByTimeAsync(100);
  expect(timeline().look?.at).toBe(1);
  isAway = true;
  dispatch(moved(3));
  traveller.look();
  await vi.advanceTimersByTimeAsync(30_000);
  expect(timeline()).toMatchObject({ look: null, lookError: "The hub does not answer. Is it running?" });
  isAway = false;
  await vi.advanceTimersByTimeAsync(10_000);
  expect(timeline()).toMatchObject({ look: { at: 3 }, lookError: null });
  traveller.close();
});
