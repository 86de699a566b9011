// @vitest-environment jsdom
import { beforeEach, describe, expect, it } from "vitest";

import { edited, NO_EDITS } from "./edits.js";
import { load, MAX_CHARACTERS, MAX_FILES, save } from "./kept.js";

const ONE = edited(NO_EDITS, 0, "written", "heard");

describe("kept edits", () => {
  beforeEach(() => localStorage.clear());

  it("come back as they were left, with what can be undone", () => {
    expect(save(localStorage, "a", ONE)).toBe(true);
    expect(load(localStorage, "a")).toEqual(ONE);
    expect(load(localStorage, "b")).toEqual(NO_EDITS);
  });

  it("are of the files touched last", () => {
    for (let file = 0; file <= MAX_FILES; file += 1) {
      save(localStorage, String(file), ONE);
    }
    expect(load(localStorage, "0")).toEqual(NO_EDITS);
    expect(load(localStorage, "1")).toEqual(ONE);
    expect(localStorage.length).toBe(MAX_FILES + 1);
  });

  it("leave nothing where there are none any more", () => {
    save(localStorage, "a", ONE);
    save(localStorage, "a", NO_EDITS);
    expect(localStorage.getItem("asr-hub:edits:a")).toBeNull();
  });

  it("are none where somebody wrote something else there", () => {
    for (const text of ["no json", "[]", "{}", '{"texts":{"x":"y","0":5},"past":[{"index":"0"}],"future":[]}']) {
      localStorage.setItem("asr-hub:edits:a", text);
      expect(load(localStorage, "a")).toEqual(NO_EDITS);
    }
  });

  it("say when there is no room for them", () => {
    const huge = { ...ONE, texts: Object.fromEntries(Array.from({ length: 200 }, (_, at) => [at, "x".repeat(4000)])) };
    expect(JSON.stringify(huge).length).toBeGreaterThan(MAX_CHARACTERS);
    expect(save(localStorage, "a", huge)).toBe(false);
  });
});
