/** Hotwords as they are edited, and what the hub would say to them. */

/** As the hub has it: docs/reference/http.md. */
export const MAX_WORDS = 500;
export const MAX_CHARACTERS = 100;
export const MIN_WEIGHT = 0.1;
export const MAX_WEIGHT = 10;

/** A text alone has the weight 1. */
export type Wire = string | { text: string; weight: number };

/** A line of the editor. The weight is as typed. */
export interface Line {
  text: string;
  weight: string;
}

export type Fault = "empty" | "long" | "unprintable" | "weight" | "twice";

export function lines(words: readonly Wire[]): Line[] {
  return words.map((word) =>
    typeof word === "string" ? { text: word, weight: "1" } : { text: word.text, weight: String(word.weight) },
  );
}

/** What is sent. Only for lines without a fault. */
export function wire(given: readonly Line[]): Wire[] {
  return given.map(({ text, weight }) => (Number(weight) === 1 ? text.trim() : { text: text.trim(), weight: Number(weight) }));
}

/** What is wrong with each line, or null. */
export function faults(given: readonly Line[]): (Fault | null)[] {
  const seen = new Set<string>();
  return given.map(({ text, weight }) => {
    const word = text.trim();
    const isTwice = seen.has(word);
    seen.add(word);
    if (word === "") {
      return "empty";
    }
    if (Array.from(word).length > MAX_CHARACTERS) {
      return "long";
    }
    if (/[\p{C}\p{Z}]/u.test(word.replaceAll(" ", ""))) {
      return "unprintable";
    }
    if (isTwice) {
      return "twice";
    }
    const number = weight.trim() === "" ? NaN : Number(weight);
    return number >= MIN_WEIGHT && number <= MAX_WEIGHT ? null : "weight";
  });
}

/** Whether they say the same to the hub. */
export function isSame(one: readonly Line[], other: readonly Line[]): boolean {
  return JSON.stringify(wire(one)) === JSON.stringify(wire(other));
}

/** Words pasted at once: one in each line or between commas, each with a weight behind a colon where it has one. */
export function pasted(text: string): Line[] {
  return text
    .split(/[\n,，、;；]/)
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .map((part) => {
      const found = /^(.*\S)\s*[:：]\s*(\d+(?:\.\d+)?)$/.exec(part);
      return found === null ? { text: part, weight: "1" } : { text: found[1] ?? "", weight: found[2] ?? "1" };
    });
}
