import type { SessionMessage } from "asr-hub-client";
import { readMessage } from "asr-hub-client/messages";
import { describe, expect, test } from "vitest";

import { at, compact, count, EMPTY, heard, lines, PAGE, PAGES, restored, stablePart, type Transcript, WHOLE } from "./transcript.js";

/** A message as the hub writes it: without what is the default. */
export function said(fields: Record<string, unknown>): SessionMessage {
  return readMessage(JSON.stringify(fields)) as SessionMessage;
}

function final(utterance: number, text = `line ${utterance}`): SessionMessage {
  const [start, end] = [utterance * 1000, utterance * 1000 + 800];
  const words = [{ text: "line", start, end, confidence: 0.5 }];
  const hypothesis = { text, start, end, is_final: true, words, provider: "pocketsphinx" };
  return said({ type: "final", utterance, hypothesis, reason: "silence", latency_ms: 80, seq: utterance });
}

function after(...messages: SessionMessage[]): Transcript {
  return messages.reduce(heard, EMPTY);
}

function partial(utterance: number, text: string, stable = 0): SessionMessage {
  return said({ type: "partial", utterance, hypothesis: { text, start: 0, end: 100, stable }, seq: 1 });
}

function revision(utterance: number, text: string): SessionMessage {
  return said({ type: "revision", utterance, hypothesis: { text, start: 0, end: 100, is_final: true, pass: "accurate" }, seq: 9 });
}

describe("a transcript", () => {
  test("a partial grows into its final", () => {
    expect(after(partial(1, "how o", 3)).partial?.hypothesis.text).toBe("how o");
    const done = after(partial(1, "how o", 3), final(1, "how old"));
    expect(done.partial).toBeNull();
    expect(at(done, 0)).toMatchObject({ text: "how old", start: 1000, end: 1800, latencyMs: 80, provider: "pocketsphinx" });
  });

  test("a partial of the next utterance outlives the final of the one before", () => {
    expect(after(partial(2, "and"), final(1)).partial?.utterance).toBe(2);
  });

  test("what is cleared is gone", () => {
    expect(after(partial(1, "no"), said({ type: "endpoint", utterance: 1, at: 9, reason: "clear", seq: 2 })).partial).toBeNull();
  });

  test("an empty final is no line", () => {
    expect(count(after(partial(1, "uh"), final(1, "")))).toBe(0);
  });

  test("a later pass keeps what was read before", () => {
    const done = after(final(1, "how cold"), revision(1, "how old"));
    expect(at(done, 0)).toMatchObject({ text: "how old", former: ["how cold"], pass: "accurate", latencyMs: 80 });
    expect(at(heard(done, revision(1, "how old")), 0)?.former).toEqual(["how cold"]);
  });

  test("a later pass may find words where none were", () => {
    expect(lines(after(final(1), final(2, ""), final(3), revision(2, "yes"))).map(({ text }) => text)).toEqual(["line 1", "yes", "line 3"]);
  });

  test("a final that was told already is not told twice, and one that was overtaken finds its place", () => {
    const done = after(final(1), final(3), final(2), final(3));
    expect(lines(done).map(({ utterance }) => utterance)).toEqual([1, 2, 3]);
  });

  test("a reset replaces all", () => {
    const reading = { utterance: 7, hypothesis: { text: "seven", start: 0, end: 1, is_final: true } };
    const done = heard(after(final(1)), said({ type: "reset", finals: [reading], provider: "p", audio_offset: 9, seq: 40 }));
    expect(lines(done).map(({ text }) => text)).toEqual(["seven"]);
  });

  test("what was kept over a reload comes back, and goes on", () => {
    const kept = lines(after(final(1), final(2))).map(compact);
    const done = [final(2), final(3)].reduce(heard, restored(JSON.parse(JSON.stringify(kept)) as typeof kept));
    expect(lines(done).map(({ text }) => text)).toEqual(["line 1", "line 2", "line 3"]);
  });

  test("the stable part is counted in characters, not in halves of them", () => {
    const hypothesis = { ...(partial(1, "a😀b", 2) as Extract<SessionMessage, { type: "partial" }>).hypothesis };
    expect(stablePart(hypothesis)).toEqual(["a😀", "b"]);
  });
});

describe("an hour of speech", () => {
  const HOUR = 3_600;
  const messages = Array.from({ length: HOUR }, (_, index) => final(index + 1));
  const whole = messages.reduce(heard, EMPTY);

  test("every line is there, and only the newest have their words", () => {
    expect(count(whole)).toBe(HOUR);
    expect(at(whole, 0)?.text).toBe("line 1");
    expect(at(whole, HOUR - 1)?.text).toBe("line 3600");
    const withWords = lines(whole).filter(({ words }) => words.length > 0);
    expect(withWords.length).toBeLessThan(WHOLE + PAGE);
    expect(withWords.length).toBeGreaterThanOrEqual(WHOLE);
  });

  test("one more fact copies a page, and not the hour", () => {
    const more = heard(whole, final(HOUR + 1));
    expect(more.recent.length).toBeLessThan(WHOLE + PAGE);
    expect(more.pages.every((page, index) => page === whole.pages[index])).toBe(true);
  });

  test("a late revision of an old line finds it", () => {
    const revised = heard(whole, revision(150, "another"));
    expect(at(revised, 149)).toMatchObject({ text: "another", isCompact: true, words: [] });
    expect(count(revised)).toBe(HOUR);
  });

  test("there is an end to what is kept", () => {
    const day = Array.from({ length: (PAGES + 5) * PAGE }, (_, index) => final(index + 1)).reduce(heard, EMPTY);
    expect(day.pages.length).toBe(PAGES);
    expect(count(day) + day.dropped).toBe((PAGES + 5) * PAGE);
  });
});
