import { describe, expect, it } from "vitest";

import type { Segment, Word } from "./answers.js";
import { pieceAt, segmentAt, timed } from "./timing.js";

const word = (text: string, start_ms: number, end_ms: number, confidence: number | null = 0.9): Word => ({ text, start_ms, end_ms, confidence });

function segment(text: string, words: Word[], start_ms = 0, end_ms = 10_000): Segment {
  return { text, words, start_ms, end_ms, language: null, speaker: null, confidence: null, provider: null };
}

const SAID = segment("Ask not, what your country", [
  word("ask", 100, 300),
  word("not", 300, 600, 0.2),
  word("what", 700, 900),
  word("your", 900, 1000),
  word("country", 1000, 1500),
]);

const together = (pieces: { text: string; gap: string }[]): string => pieces.map(({ text, gap }) => text + gap).join("");

describe("timed", () => {
  it("gives each written word the time of the one that was heard, whatever its case and marks", () => {
    const pieces = timed(SAID);
    expect(together(pieces)).toBe(SAID.text);
    expect(pieces.map(({ text, startMs }) => [text, startMs])).toEqual([
      ["Ask", 100],
      ["not,", 300],
      ["what", 700],
      ["your", 900],
      ["country", 1000],
    ]);
    expect(pieces[1]?.confidence).toBe(0.2);
  });

  it("keeps the times around a change, and shares those between", () => {
    const pieces = timed(SAID, "Ask me anything, what your country");
    expect(together(pieces)).toBe("Ask me anything, what your country");
    expect(pieces[0]?.startMs).toBe(100);
    const [me, anything] = pieces.slice(1, 3);
    expect(me?.startMs).toBe(300);
    expect(me?.endMs).toBe(anything?.startMs);
    expect(anything?.endMs).toBe(700);
    expect(me?.confidence).toBeNull();
    expect(pieces[3]?.startMs).toBe(700);
  });

  it("times text without any heard words within the segment", () => {
    const pieces = timed(segment("one two", [], 1000, 2000));
    expect(pieces[0]?.startMs).toBe(1000);
    expect(pieces[1]?.endMs).toBe(2000);
  });

  it("cuts scripts without spaces into characters, and shares the time of a word among them", () => {
    const pieces = timed(segment("打开客厅的灯。", [word("打开", 0, 400), word("客厅", 400, 800), word("的灯", 800, 1200)]));
    expect(pieces.map(({ text }) => text)).toEqual(["打", "开", "客", "厅", "的", "灯。"]);
    expect(pieces.map(({ startMs }) => startMs)).toEqual([0, 200, 400, 600, 800, 1000]);
  });

  it("never goes back in time, and loses no text, whatever was written", () => {
    const texts = ["", "country", "your what not ask", "ask ask ask country country", "完全 different text, with 123 words!", "  spaced   out  "];
    for (const text of texts) {
      const pieces = timed(SAID, text);
      expect(together(pieces)).toBe(text.trim());
      pieces.reduce((before, { startMs, endMs }) => {
        expect(startMs).toBeGreaterThanOrEqual(before);
        expect(endMs).toBeGreaterThanOrEqual(startMs);
        return startMs;
      }, 0);
    }
  });

  it("stays fast for a long segment of which nothing fits", () => {
    const words = Array.from({ length: 5000 }, (_, at) => word(`a${at}`, at, at + 1));
    const text = Array.from({ length: 5000 }, (_, at) => `b${at}`).join(" ");
    expect(timed(segment("", words), text)).toHaveLength(5000);
  });
});

describe("places", () => {
  const segments = [
    { start_ms: 0, end_ms: 5000 },
    { start_ms: 1000, end_ms: 2000 },
    { start_ms: 6000, end_ms: 7000 },
  ];

  it("finds the segment that is said, also under one that is over already", () => {
    expect(segmentAt(segments, -1)).toBe(-1);
    expect(segmentAt(segments, 500)).toBe(0);
    expect(segmentAt(segments, 1500)).toBe(1);
    expect(segmentAt(segments, 3000)).toBe(0);
    expect(segmentAt(segments, 6500)).toBe(2);
    expect(segmentAt(segments, 9000)).toBe(2);
    expect(segmentAt([], 0)).toBe(-1);
  });

  it("finds the word that is said, and none in a long pause", () => {
    const pieces = timed(SAID);
    expect(pieceAt(pieces, 0)).toBe(-1);
    expect(pieceAt(pieces, 650)).toBe(1);
    expect(pieceAt(pieces, 1200)).toBe(4);
    expect(pieceAt(pieces, 5000)).toBe(-1);
  });
});
