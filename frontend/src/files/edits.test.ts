import { describe, expect, it } from "vitest";

import { countOf, edited, MAX_PAST, MAX_TEXT, NO_EDITS, redone, undone } from "./edits.js";

describe("edits", () => {
  it("can be undone and done again, one after the other", () => {
    const one = edited(NO_EDITS, 3, "first", "heard");
    const two = edited(one, 3, "second", "heard");
    expect(two.texts).toEqual({ 3: "second" });
    expect(undone(two).texts).toEqual({ 3: "first" });
    expect(undone(undone(two)).texts).toEqual({});
    expect(redone(undone(two)).texts).toEqual({ 3: "second" });
    expect(undone(NO_EDITS)).toBe(NO_EDITS);
    expect(redone(two)).toBe(two);
  });

  it("forgets what was undone when something else is written", () => {
    const after = edited(undone(edited(NO_EDITS, 0, "a", "")), 0, "b", "");
    expect(after.future).toEqual([]);
  });

  it("is no edit where it says what was heard", () => {
    expect(edited(NO_EDITS, 0, " heard ", "heard")).toBe(NO_EDITS);
    const one = edited(NO_EDITS, 0, "other", "heard");
    expect(countOf(edited(one, 0, "heard", "heard"))).toBe(0);
    expect(countOf(edited(one, 0, null, "heard"))).toBe(0);
  });

  it("is one line, and bounded", () => {
    expect(edited(NO_EDITS, 0, "a\n b\t c", "").texts[0]).toBe("a b c");
    expect(edited(NO_EDITS, 0, "x".repeat(2 * MAX_TEXT), "").texts[0]).toHaveLength(MAX_TEXT);
    let many = NO_EDITS;
    for (let turn = 0; turn < 2 * MAX_PAST; turn += 1) {
      many = edited(many, 0, `turn ${turn}`, "");
    }
    expect(many.past).toHaveLength(MAX_PAST);
  });
});
