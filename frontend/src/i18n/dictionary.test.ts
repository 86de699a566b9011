import { expect, test } from "vitest";

import { type Dictionary, fill, translator } from "./dictionary.js";

const modules = import.meta.glob<Record<string, Dictionary<string>>>("./*.ts", { eager: true });

const dictionaries = Object.entries(modules).flatMap(([path, exports]) =>
  Object.entries(exports)
    .filter(([, value]) => typeof value === "object" && "en" in value)
    .map(([name, value]) => [`${path} ${name}`, value] as const),
);

const holes = (text: string): string[] => [...text.matchAll(/\{\w+\}/g)].map(([hole]) => hole).sort();

test("there are dictionaries", () => {
  expect(dictionaries.length).toBeGreaterThanOrEqual(6);
});

test.each(dictionaries)("%s has the same keys, with the same holes, in every language", (_, { en, zh }) => {
  expect(Object.keys(zh).sort()).toEqual(Object.keys(en).sort());
  for (const [key, text] of Object.entries(en)) {
    expect(zh[key], key).not.toBe("");
    expect(holes(zh[key] ?? ""), key).toEqual(holes(text));
  }
});

test("values fill the holes of a text, and a hole without one stays", () => {
  expect(fill("{count} of {max}", { count: 2 })).toBe("2 of {max}");
  expect(translator({ en: { hi: "Hi {name}" }, zh: { hi: "{name}，你好" } }, "zh")("hi", { name: "Li" })).toBe("Li，你好");
});

test("a word stands in the number of its value", () => {
  const text = "{count} {count|action|actions}";
  expect([1, 0, 2].map((count) => fill(text, { count }))).toEqual(["1 action", "0 actions", "2 actions"]);
});
