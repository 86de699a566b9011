import { describe, expect, it } from "vitest";

import type { Segment } from "./answers.js";
import { cues, written } from "./cues.js";

const SEGMENTS: Segment[] = [
  {
    text: "and not",
    start_ms: 1000,
    end_ms: 2000,
    language: "en",
    speaker: "1",
    confidence: null,
    provider: null,
    words: [
      { text: "and", start_ms: 1000, end_ms: 1400, confidence: 0.9 },
      { text: "not", start_ms: 1500, end_ms: 2000, confidence: 0.9 },
    ],
  },
  { text: "gone", start_ms: 3000, end_ms: 4000, language: "en", speaker: null, confidence: null, provider: null, words: [] },
];

describe("cues", () => {
  it("say what was written in the place of what was heard, with times for its words", () => {
    const [first, ...rest] = cues(SEGMENTS, { 0: "ask not", 1: " " });
    expect(rest).toEqual([]);
    expect(first?.text).toBe("ask not");
    expect(first?.words?.map(({ text, start }) => [text, start])).toEqual([
      ["ask", 1000],
      ["not", 1500],
    ]);
  });

  it("are written in every format", () => {
    const said = cues(SEGMENTS, { 0: "ask\tnot" });
    expect(written("tsv", said)).toBe("start\tend\ttext\n1000\t2000\task not\n3000\t4000\tgone\n");
    expect(written("txt", said)).toContain("ask not");
    expect(written("srt", said)).toContain("00:00:01,000 --> 00:00:02,000");
    expect(written("vtt", said)).toMatch(/^WEBVTT\n/);
    expect(JSON.parse(written("json", said))).toBeTruthy();
  });
});
