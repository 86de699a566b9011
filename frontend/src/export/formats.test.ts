import { expect, test } from "vitest";

import { type Cue, stamp, written } from "./formats.js";

const CUES: Cue[] = [
  { start: 900, end: 2500, text: "how old is the Brooklyn Bridge" },
  { start: 3_723_004, end: 3_723_004, text: "a < b & c\n\n--> d", speaker: "Ann" },
  { start: 5, end: 6, text: "  " },
];

test("times", () => {
  expect(stamp(3_723_004, ",")).toBe("01:02:03,004");
  expect(stamp(-5, ".")).toBe("00:00:00.000");
  expect(stamp(360_000_000.4, ".")).toBe("100:00:00.000");
});

test("txt", () => {
  expect(written("txt", CUES.slice(0, 2))).toBe("how old is the Brooklyn Bridge\nAnn: a < b & c --> d\n");
});

test("srt counts its cues, leaves empty ones out, and no cue is cut in two by an empty line", () => {
  expect(written("srt", CUES)).toBe(
    "1\n00:00:00,900 --> 00:00:02,500\nhow old is the Brooklyn Bridge\n\n2\n01:02:03,004 --> 01:02:03,005\nAnn: a < b & c --> d\n",
  );
});

test("vtt escapes its marks and names who speaks", () => {
  expect(written("vtt", CUES)).toBe(
    "WEBVTT\n\n00:00:00.900 --> 00:00:02.500\nhow old is the Brooklyn Bridge\n\n" +
      "01:02:03.004 --> 01:02:03.005\n<v Ann>a &lt; b &amp; c --&gt; d</v>\n",
  );
});

test("json has everything", () => {
  const words = [{ text: "hi", start: 1, end: 2, confidence: 0.5 }];
  expect(JSON.parse(written("json", [{ start: 1, end: 2, text: "hi", words }]))).toEqual({
    cues: [{ start_ms: 1, end_ms: 2, text: "hi", words }],
  });
});

test("a long cue is cut between words, where their times are known", () => {
  const words = Array.from({ length: 30 }, (_, index) => ({ text: `word${index}`, start: index * 100, end: index * 100 + 90 }));
  const text = words.map((word) => word.text).join(" ");
  const srt = written("srt", [{ start: 0, end: 3000, text, words }]);
  const blocks = srt.trim().split("\n\n");
  expect(blocks.length).toBe(3);
  expect(blocks.flatMap((block) => block.split("\n").slice(2)).join(" ")).toBe(text);
  expect(blocks.every((block) => block.split("\n").slice(2).every((line) => line.length <= 42))).toBe(true);
  expect(written("srt", [{ start: 0, end: 3000, text }]).split("-->").length).toBe(2);
});
