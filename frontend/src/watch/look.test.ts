// @vitest-environment jsdom
import { describe, expect, it } from "vitest";

import { lookOf, USUAL } from "./look.js";
import { publicName } from "./names.js";
import { MOST, watchBegun, watchEnded, watching, watchMoved } from "./slice.js";

describe("how captions look", () => {
  it("is the usual where nothing is said", () => {
    expect(lookOf("#/captions/abc")).toEqual(USUAL);
  });

  it("is as the address says", () => {
    expect(lookOf("#/captions/abc?size=64&lines=3&colour=ffee88&shadow=0&align=left")).toEqual({
      size: 64,
      lines: 3,
      colour: "#ffee88",
      shadow: false,
      align: "left",
    });
  });

  it("takes nothing that is no such thing", () => {
    expect(lookOf("#/captions/abc?size=9999&lines=zero&colour=url(x)&align=up")).toEqual({ ...USUAL, size: 400 });
    expect(lookOf("#/captions/abc?color=gold").colour).toBe("gold");
  });
});

describe("the name of a session", () => {
  it("is the beginning of the digest of its id", async () => {
    expect(await publicName("abc")).toBe("ba7816bf8f01");
  });
});

describe("what is watched", () => {
  const { reducer } = watching;
  const of = (...ids: string[]) => ids.reduce<ReturnType<typeof reducer>>((state, id) => reducer(state, watchBegun({ id, via: "http" })), { watched: [] });

  it("is each session once, the newest first", () => {
    expect(of("a", "b", "a").watched.map(({ id }) => id)).toEqual(["a", "b"]);
  });

  it("is bounded", () => {
    expect(of(...Array.from({ length: MOST + 5 }, (_, index) => `s${index}`)).watched).toHaveLength(MOST);
  });

  it("knows why one is not open, and ends", () => {
    const refused = reducer(of("a", "b"), watchMoved({ id: "a", state: "refused", message: "gone" }));
    expect(refused.watched.find(({ id }) => id === "a")).toMatchObject({ state: "refused", message: "gone" });
    expect(reducer(refused, watchEnded("a")).watched.map(({ id }) => id)).toEqual(["b"]);
  });
});
