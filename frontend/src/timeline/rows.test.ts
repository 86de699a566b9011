import { describe, expect, it } from "vitest";

import type { Action, Numbered } from "./answers.js";
import { append, type Column, countWhile, empty, PAGE, rowAt, rowsOf, shorten } from "./column.js";
import { ALL, passing, typesOf } from "./filter.js";
import { lanesOf, showing, stepOf, zoomed } from "./lanes.js";
import { Recent } from "./lru.js";
import { brief, groupOf, type Row, rowsFor, START } from "./rows.js";
import { saidAt } from "./said.js";

const facts: Action[] = [
  { type: "[Session] Opened", at: 1, provider: "sphinx", format: { sample_rate: 8000 }, language: "en" },
  { type: "[Speech] Started", at: 2, utterance: 1, audio_ms: 300 },
  { type: "[Transcript] Revised", at: 3, utterance: 1, hypothesis: { text: "good", start: 300, end: 900, stable: 2 } },
  { type: "[Audio] Taken", at: 4, audio_offset: 8000 },
  { type: "[Breaker] AttemptFailed", at: 5, utterance: 1, provider: "sphinx", code: "provider-timeout", message: "no answer" },
  { type: "[Speech] Ended", at: 6, utterance: 1, audio_ms: 1500, reason: "silence" },
  { type: "[Transcript] Finalized", at: 7, utterance: 1, hypothesis: { text: "good morning", start: 300, end: 1200 } },
  { type: "[Client] FinalizeRequested", at: 8 },
  { type: "[Transcript] Corrected", at: 9, utterance: 1, hypothesis: { text: "Good morning.", start: 300, end: 1200 } },
];

const numbered = (actions: readonly Action[], first = 1): Numbered[] => actions.map((action, index) => ({ seq: first + index, action }));

const rows: Row[] = rowsFor(numbered(facts), START)[0];

const column: Column<Row> = append(empty<Row>(), rows);

describe("a column", () => {
  it("grows by a page, shares the pages that are full, and finds by order", () => {
    const numbers = Array.from({ length: PAGE + 10 }, (_, index) => index);
    const first = append(empty<number>(), numbers);
    const second = append(first, [PAGE + 10, PAGE + 11]);
    expect(second.pages[0]).toBe(first.pages[0]);
    expect([second.length, first.length]).toEqual([PAGE + 12, PAGE + 10]);
    expect(rowAt(second, PAGE + 11)).toBe(PAGE + 11);
    expect(countWhile(second, (row) => row <= 514)).toBe(515);
    expect(countWhile(second, () => true)).toBe(second.length);
    expect([...rowsOf(second, 3)]).toEqual([0, 1, 2]);
    expect(rowAt(shorten(second), 0)).toBe(PAGE);
  });
});

describe("rows", () => {
  it("have a place in the audio that never goes back, in the rate of the session", () => {
    expect(rows.map(({ ms }) => ms)).toEqual([0, 300, 900, 1000, 1000, 1500, 1500, 1500, 1500]);
    expect(rows.map(({ from }) => from)).toEqual([0, 300, 300, 1000, 1000, 1500, 300, 1500, 300]);
  });

  it("say what the action says", () => {
    expect(rows.map(({ text }) => text).slice(4, 7)).toEqual(["sphinx · provider-timeout · no answer", "silence", "good morning"]);
    expect(brief({ type: "[Transcript] HandedOn", at: 0, provider: "a", to: "b", code: "x" })).toBe("a → b · x");
    const replacements = [{ heard: "sermat", hotword: "Zermatt", similarity: 0.9, position: 0 }];
    expect(brief({ type: "[Transcript] HotwordsMatched", at: 0, replacements })).toBe("sermat → Zermatt");
  });

  it("are of a group", () => {
    expect(["[Client] DecisionUndone", "[Transcript] PassFailed", "[Transcript] Routed", "[WakeWord] Heard", "[Hub] Started"].map(groupOf)).toEqual([
      "commands",
      "failures",
      "engine",
      "speech",
      "session",
    ]);
  });
});

describe("the filter", () => {
  it("lets all pass where nothing is asked", () => {
    expect(passing(column, ALL)).toBeNull();
  });

  it("asks for a group, a type, a text or an utterance", () => {
    expect(passing(column, { ...ALL, kind: "words" })).toEqual([2, 6, 8]);
    expect(passing(column, { ...ALL, kind: "[Speech] Ended" })).toEqual([5]);
    expect(passing(column, { ...ALL, text: "MORNING" })).toEqual([6, 8]);
    expect(passing(column, { kind: "speech", text: "", utterance: 1 })).toEqual([1, 5]);
  });

  it("knows the types that there are", () => {
    expect(typesOf(column)).toHaveLength(9);
  });
});

describe("what had been said", () => {
  it("is a partial first, then the final, then the later reading with the former one", () => {
    expect(saidAt(column, 3)).toMatchObject([{ text: "good", stable: 2, seq: 3 }]);
    expect(saidAt(column, 7)).toMatchObject([{ text: "good morning", stable: null, former: [] }]);
    expect(saidAt(column, 9)).toMatchObject([{ text: "Good morning.", former: ["good morning"], seq: 9 }]);
    expect(saidAt(column, 1)).toEqual([]);
  });

  it("goes on from what was said before", () => {
    const before = [{ utterance: 0, text: "earlier", former: [], stable: null, from: 0, to: 1, seq: null }];
    expect(saidAt(column, 7, before).map(({ text }) => text)).toEqual(["earlier", "good morning"]);
  });

  it("forgets a partial that was cleared", () => {
    const cleared = rowsFor(numbered([...facts.slice(0, 3), { type: "[Speech] Ended", at: 4, utterance: 1, audio_ms: 950, reason: "clear" }]), START)[0];
    expect(saidAt(append(empty<Row>(), cleared), 4)).toEqual([]);
  });
});

describe("the ruler", () => {
  it("has what lies where", () => {
    expect(lanesOf(column)).toEqual({
      speech: [{ from: 300, to: 1500, text: "" }],
      utterances: [{ from: 300, to: 1200, text: "Good morning." }],
      commands: [1500],
      engine: [],
      failures: [1000],
      end: 1500,
    });
  });

  it("zooms around a place, and no further than there is", () => {
    expect(zoomed({ from: 0, to: 8000 }, 0.5, 6000, 8000)).toEqual({ from: 3000, to: 7000 });
    expect(zoomed({ from: 3000, to: 7000 }, 4, 6000, 8000)).toEqual({ from: 0, to: 8000 });
    expect(showing({ from: 0, to: 1000 }, 500)).toEqual({ from: 0, to: 1000 });
    expect(showing({ from: 0, to: 1000 }, 5000)).toEqual({ from: 4500, to: 5500 });
  });

  it("has marks that do not touch", () => {
    expect(stepOf(60_000, 600)).toBe(10_000);
    expect(stepOf(7_200_000, 300)).toBe(1_800_000);
  });
});

describe("recent answers", () => {
  it("are few, and the least wanted one goes", () => {
    const recent = new Recent<number, string>(2);
    recent.put(1, "a");
    recent.put(2, "b");
    recent.get(1);
    recent.put(3, "c");
    expect([recent.get(1), recent.get(2), recent.get(3), recent.size]).toEqual(["a", undefined, "c", 2]);
  });
});
