import { expect, test } from "vitest";

import { fromBase64, toBase64 } from "./kept.js";
import { segments } from "./segments.js";

test("audio that waits over a reload is the same after it", () => {
  const bytes = Uint8Array.from({ length: 100_001 }, (_, index) => index % 256);
  expect(fromBase64(toBase64(bytes))).toEqual(bytes);
  expect(fromBase64(toBase64(new Uint8Array(0))).length).toBe(0);
});

test("words are found in their text, whatever stands around them", () => {
  const word = (text: string) => ({ text, start: 0, end: 1, confidence: null });
  const parts = segments("How old, is it?", [word("how"), word("old"), word("not there"), word("it")]);
  expect(parts.map(({ text, word: found }) => (found ? `[${text}]` : text)).join("")).toBe("[How] [old], is [it]?");
  expect(segments("你好世界", [word("你好"), word("世界")]).map(({ text }) => text)).toEqual(["你好", "世界"]);
  expect(segments("", [word("x")])).toEqual([]);
});
