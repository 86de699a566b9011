import { describe, expect, it } from "vitest";

import { beginning } from "./beginning.js";
import { diff, MOST_CHANGES, touched } from "./diff.js";

describe("the difference of two states", () => {
  it("is each smallest part that differs", () => {
    const before = { sessions: { a: { phase: "speech", pending: [1, 2], gone: 1 } }, same: { x: [1] } };
    const after = { sessions: { a: { phase: "listening", pending: [1], fresh: {} } }, same: { x: [1] } };
    expect(diff(before, after)).toEqual([
      { path: ["sessions", "a", "phase"], before: "speech", after: "listening" },
      { path: ["sessions", "a", "pending", "1"], before: 2, after: undefined },
      { path: ["sessions", "a", "fresh"], before: undefined, after: {} },
      { path: ["sessions", "a", "gone"], before: 1, after: undefined },
    ]);
  });

  it("takes an array in the place of an object as another thing, and null as a value", () => {
    expect(diff({ a: [] }, { a: {} })).toEqual([{ path: ["a"], before: [], after: {} }]);
    expect(diff({ a: null }, { a: { b: 1 } })).toEqual([{ path: ["a"], before: null, after: { b: 1 } }]);
    expect(diff({ a: 1 }, { a: 1 })).toEqual([]);
  });

  it("is bounded", () => {
    const many = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`k${index}`, index]));
    expect(diff({}, many)).toHaveLength(MOST_CHANGES);
  });

  it("marks what a change lies in", () => {
    const marked = touched(diff({ a: { "b/c": 1 } }, { a: { "b/c": 2 } }));
    expect([...marked.keys()]).toEqual(["", "a", "a/b~1c"]);
    expect(marked.get("a")).toBeNull();
    expect(marked.get("a/b~1c")).toMatchObject({ before: 1, after: 2 });
  });
});

describe("a timeline that begins in the midst of a session", () => {
  it("knows what was said before, and how much audio there was", () => {
    const final = { text: "one", start: 0, end: 400 };
    const state = {
      sessions: { a: { format: { sample_rate: 8000 }, audio_offset: 16000 } },
      transcripts: { a: { utterances: { 1: { number: 1, final, revisions: [{ ...final, text: "One." }] }, 2: { number: 2, final: null } } } },
    };
    expect(beginning(state)).toEqual({
      clock: { rate: 8000, ms: 2000 },
      before: [{ utterance: 1, text: "One.", former: ["one"], stable: null, from: 0, to: 400, seq: null }],
    });
    expect(beginning({})).toEqual({ clock: { rate: 16000, ms: 0 }, before: [] });
  });
});
