// @vitest-environment jsdom
import { describe, expect, it } from "vitest";

import type { Engine } from "./answers.js";
import { found, leaves, SECRET, tree } from "./config_tree.js";
import { faults, isSame, lines, pasted, wire } from "./hotwords.js";
import { added, EVERY, KEPT, line, sample, type Sample } from "./samples.js";
import { hotwordsRead, hotwordsWritten, looked, operation } from "./slice.js";

const ENGINE: Engine = {
  name: "p",
  kind: "k",
  health: "ready",
  is_default: true,
  slots_used: 2,
  slots: 4,
  error: null,
  note: null,
  capabilities: null,
  is_shadow: false,
  breaker: null,
  score: { finals: 30, p50_ms: 80, p95_ms: 200, hedged: 0, lost: 0, won: 0, skipped: 0, promoted_at: null },
  comparisons: [],
};

const at = (time: number): Sample => sample(time, 3, [ENGINE], null);

describe("samples", () => {
  it("hold what is drawn", () => {
    const one = sample(1, 3, [ENGINE, { ...ENGINE, name: "q", score: null }], { jobs: { queued: 5, processing: 1 }, audio_hours: 0 });
    expect(one).toMatchObject({ sessions: 3, slotsUsed: 4, working: 1, waiting: 5, p50: { p: 80, q: null } });
  });

  it("are those of ten minutes, however long one looks", () => {
    let all: Sample[] = [];
    for (let turn = 0; turn < 3 * KEPT; turn += 1) {
      all = added(all, at(turn * EVERY));
    }
    expect(all).toHaveLength(KEPT);
    expect(line(all, (one) => one.sessions)).toEqual(new Array(KEPT).fill(3));
    expect(added(all, at(1e9))).toHaveLength(1);
  });

  it("leave a gap where nobody looked, and none for a late one", () => {
    const all = [at(0), at(2 * EVERY), at(6 * EVERY)].reduce<Sample[]>(added, []);
    expect(line(all, (one) => one.sessions).slice(-8)).toEqual([null, 3, 3, 3, null, null, null, 3]);
  });
});

describe("hotwords", () => {
  it("go to the hub as they came", () => {
    const words = ["Zermatt", { text: "Täsch", weight: 2 }];
    expect(wire(lines(words))).toEqual(words);
    expect(isSame(lines(words), lines([...words]))).toBe(true);
  });

  it("are told what is wrong with them, as the hub would", () => {
    const given = [
      { text: "Brig", weight: "1" },
      { text: " ", weight: "1" },
      { text: "x".repeat(101), weight: "1" },
      { text: "𠀀".repeat(100), weight: "10" },
      { text: "a\u0007", weight: "1" },
      { text: "two words", weight: "0.1" },
      { text: "Brig ", weight: "1" },
      { text: "low", weight: "0.05" },
      { text: "high", weight: "11" },
      { text: "none", weight: "" },
    ];
    expect(faults(given)).toEqual([null, "empty", "long", null, "unprintable", null, "twice", "weight", "weight", "weight"]);
  });

  it("may be pasted, with weights", () => {
    expect(pasted("Zermatt, Täsch: 2\n 泰施：1.5，,Port 80")).toEqual([
      { text: "Zermatt", weight: "1" },
      { text: "Täsch", weight: "2" },
      { text: "泰施", weight: "1.5" },
      { text: "Port 80", weight: "1" },
    ]);
  });

  it("that are not saved stay when the hub is asked again, and go when they are", () => {
    const draft = [{ text: "Visp", weight: "1" }];
    const read = operation.reducer(undefined, hotwordsRead({ of: "", words: ["Brig"] }));
    const typed = operation.reducer(read, hotwordsWritten({ of: "", draft }));
    const again = operation.reducer(typed, hotwordsRead({ of: "", words: ["Brig", "Naters"] }));
    expect(again.hotwords[""]?.draft).toEqual(draft);
    expect(again.hotwords[""]?.saved).toHaveLength(2);
    const saved = operation.reducer(again, hotwordsRead({ of: "", words: ["Visp"], isSaved: true }));
    expect(saved.hotwords[""]?.draft).toEqual(saved.hotwords[""]?.saved);
  });
});

describe("a look at the hub", () => {
  it("is one more sample", () => {
    const look = { at: 5000, engines: [ENGINE], sessions: null, count: 7, stats: null };
    const state = operation.reducer(undefined, looked(look));
    expect(state.samples.at(-1)?.sessions).toBe(7);
    expect(state.engines).toEqual([ENGINE]);
  });
});

describe("the configuration", () => {
  const nodes = tree({ server: { port: 8765, tls: null }, access: { keys: { app: { secret: SECRET } } }, hotwords: [], list: ["a", "b"] });

  it("is a tree with every key, and says what is a secret", () => {
    expect(leaves(nodes)).toBe(5);
    expect(nodes.map(({ key, text }) => [key, text])).toEqual([
      ["server", null],
      ["access", null],
      ["hotwords", "[]"],
      ["list", "[a, b]"],
    ]);
    expect(nodes[1]?.children[0]?.children[0]?.children[0]).toMatchObject({ path: "access.keys.app.secret", isSecret: true });
  });

  it("is searched by keys and values together", () => {
    expect(found(nodes, "")).toEqual(nodes);
    expect(leaves(found(nodes, "server port"))).toBe(1);
    expect(leaves(found(nodes, "8765"))).toBe(1);
    expect(found(nodes, "access")[0]?.children).toHaveLength(1);
    expect(found(nodes, "nothing there")).toEqual([]);
  });
});
