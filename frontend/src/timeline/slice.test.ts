// @vitest-environment jsdom
import { describe, expect, it } from "vitest";

import { makeStore } from "../store/store.js";
import { timeline as texts } from "../i18n/timeline.js";
import type { Action, ActionsAnswer, Source } from "./answers.js";
import { linkKey } from "./links.js";
import {
  audioAt,
  failed,
  filtered,
  followChosen,
  followed,
  MOST_ROWS,
  moved,
  numberAt,
  opened,
  paged,
  passing,
  placeAt,
  placeOf,
  reduce,
  rowHere,
  type Timeline,
} from "./slice.js";

const RECORDING: Source = { of: "recordings", name: "r" };
const SESSION: Source = { of: "sessions", name: "s" };

const fact = (ms: number): Action => ({ type: "[Speech] Started", at: ms / 1000, utterance: 1, audio_ms: ms });

function page(from: number, count: number, more = false, step = 1): ActionsAnswer {
  const actions = Array.from({ length: count }, (_, index) => ({ seq: from + index * step, action: fact((from + index * step) * 100) }));
  return { first: 0, last: more ? 10_000 : from + (count - 1) * step, more, has_text: true, actions };
}

function read(source: Source, ...pages: ActionsAnswer[]): Timeline {
  return pages.reduce((state, one) => reduce(state, paged(one)), reduce(undefined, opened(source)));
}

describe("a timeline that is read", () => {
  it("takes its pages in order, and each action once", () => {
    const state = read(RECORDING, page(1, 10, true), page(8, 10));
    expect(state.rows.length).toBe(17);
    expect([state.reading, state.first, state.last, state.place]).toEqual(["whole", 0, 17, 1]);
  });

  it("goes on being read while there is more", () => {
    expect(read(RECORDING, page(1, 10, true)).reading).toBe("reading");
  });

  it("has no more rows of a recording than it may, and says so", () => {
    const state = read(RECORDING, page(1, MOST_ROWS), page(MOST_ROWS + 1, 5));
    expect([state.rows.length, state.isCut, state.reading]).toEqual([MOST_ROWS, true, "whole"]);
  });

  it("keeps why it could not be read", () => {
    expect(reduce(undefined, failed({ message: "no", isGone: false })).error?.message).toBe("no");
  });
});

describe("where one stands", () => {
  const state = read(SESSION, page(4, 5, false, 3));

  it("is a number of the source, which may have gaps", () => {
    expect([0, 1, 5].map((place) => numberAt(state, place))).toEqual([0, 4, 16]);
    expect([3, 4, 9, 99].map((seq) => placeOf(state, seq))).toEqual([0, 1, 2, 5]);
    expect([0, 400, 999, 1600].map((ms) => placeAt(state, ms))).toEqual([0, 1, 2, 5]);
  });

  it("stays within what there is", () => {
    expect([-5, 3, 99].map((place) => reduce(state, moved(place)).place)).toEqual([0, 3, 5]);
    expect(rowHere(reduce(state, moved(0)))).toBeUndefined();
    expect(audioAt(reduce(state, moved(2)))).toBe(700);
  });
});

describe("a session that lives", () => {
  const state = read(SESSION, page(1, 5));

  it("is followed to its newest action", () => {
    const next = reduce(state, passing(SESSION, { seq: 9, action: fact(900) }));
    expect([next.place, next.last, next.rows.length]).toEqual([6, 9, 6]);
    expect(rowHere(next)).toMatchObject({ seq: 9, type: "[Speech] Started" });
  });

  it("is let go on alone by who went back, until it is followed again", () => {
    const back = reduce(reduce(state, moved(2)), passing(SESSION, { seq: 9, action: fact(900) }));
    expect([back.place, back.follows, back.rows.length]).toEqual([2, false, 6]);
    expect(reduce(back, followChosen(true)).place).toBe(6);
  });

  it("takes no action twice, and none of another session", () => {
    expect(reduce(state, passing(SESSION, { seq: 5, action: fact(500) }))).toBe(state);
    expect(reduce(state, passing({ ...SESSION, name: "other" }, { seq: 9, action: fact(900) }))).toBe(state);
  });

  it("keeps the newest, and can tell of states that it has rows of", () => {
    const full = read(SESSION, page(1, MOST_ROWS));
    const next = reduce(full, passing(SESSION, { seq: MOST_ROWS + 1, action: fact(1) }));
    expect(next.rows.length).toBeLessThanOrEqual(MOST_ROWS);
    expect([next.isCut, next.place, next.last]).toEqual([true, next.rows.length, MOST_ROWS + 1]);
    expect(numberAt(next, 1)).toBe(next.first + 1);
  });

  it("says what was missed, and when it is over", () => {
    expect(reduce(state, followed({ what: "gap", first: 40 }))).toMatchObject({ first: 40, isCut: true });
    expect(reduce(state, followed({ what: "end" })).reading).toBe("over");
  });
});

describe("the store of the page", () => {
  it("shows the actions under their own types, and takes none of them for a message of a session", () => {
    const store = makeStore();
    store.dispatch(opened(SESSION));
    const attached = { type: "[Session] Attached", at: 1, session: "s", role: "publisher", protocol: "websocket" };
    store.dispatch(passing(SESSION, { seq: 1, action: attached }));
    expect(store.getState().timeline?.rows.length).toBe(1);
    expect(store.getState().sessions).toEqual({});
  });

  it("keeps the filter while actions come", () => {
    const state = reduce(read(SESSION, page(1, 5)), filtered({ text: "x" }));
    expect(reduce(state, passing(SESSION, { seq: 9, action: fact(900) })).filter.text).toBe("x");
  });
});

describe("links", () => {
  it("have words, also those of a newer hub", () => {
    expect(linkKey("wake-word")).toBe("link_wake-word");
    expect(linkKey("never-heard-of")).toBe("link_other");
    expect(texts.zh[linkKey("endpoint")]).toBe("语句结束");
  });
});
