import type { Hypothesis } from "asr-hub-client";
import { expect, it } from "vitest";

import { EMPTY, heard } from "../store/transcript.js";
import { Marks } from "./marks.js";
import { lineOf, silentRows } from "./rows.js";
import type { Silent } from "./slice.js";

const hypothesis = (text: string) => ({ text, start: 0, end: 1, words: [] }) as unknown as Hypothesis;
const final = (utterance: number, text: string) =>
  ({ type: "final", utterance, hypothesis: hypothesis(text), reason: "silence", latency_ms: 1, seq: utterance }) as const;

it("speech that gave no text is told, and no end at which nobody spoke", () => {
  const silent: Silent[] = [];
  const marks = new Marks(
    () => undefined,
    (one) => silent.push(one),
  );
  for (const [utterance, text] of [
    [1, "one"],
    [2, ""],
  ] as const) {
    marks.told({ type: "speech-started", utterance, at: 1000 * utterance, seq: utterance });
    marks.told(final(utterance, text));
  }
  marks.told(final(3, ""));
  expect(silent).toEqual([{ utterance: 2, at: 2000 }]);
});

it("what is silent stands between the lines, and makes way for one that is found late", () => {
  let transcript = [2, 3, 5].reduce((all, utterance) => heard(all, final(utterance, "said")), EMPTY);
  const silent = [1, 4, 6].map((utterance) => ({ utterance, at: 0 }));
  const rows = silentRows(transcript, silent);
  expect([...rows].map(([row, { utterance }]) => [row, utterance])).toEqual([
    [0, 1],
    [3, 4],
    [5, 6],
  ]);
  expect([1, 2, 4].map((row) => lineOf(rows, row))).toEqual([0, 1, 2]);
  transcript = heard(transcript, { ...final(4, "found"), type: "revision" });
  expect([...silentRows(transcript, silent).keys()]).toEqual([0, 5]);
});
