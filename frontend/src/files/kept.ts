/** The edits of files in this browser: a few files, the ones that were touched last, within a bound. */

import { MAX_PAST, MAX_TEXT, NO_EDITS, type Edits, type Texts } from "./edits.js";

/** Files whose edits are kept. */
export const MAX_FILES = 50;

/** Characters of the edits of one file. */
export const MAX_CHARACTERS = 500_000;

const PREFIX = "asr-hub:edits:";
const INDEX = "asr-hub:edits";

/** The edits of a file, as they were left; none where there are none, or what is there cannot be read. */
export function load(storage: Storage, id: string): Edits {
  try {
    return parse(storage.getItem(PREFIX + id) ?? "");
  } catch {
    return NO_EDITS;
  }
}

/** Whether there was room for them. The file touched longest ago makes room, and so does one without edits. */
export function save(storage: Storage, id: string, edits: Edits): boolean {
  const others = index(storage).filter((one) => one !== id);
  if (Object.keys(edits.texts).length === 0 && edits.past.length === 0) {
    storage.removeItem(PREFIX + id);
    storage.setItem(INDEX, JSON.stringify(others));
    return true;
  }
  const text = JSON.stringify(edits);
  if (text.length > MAX_CHARACTERS) {
    return false;
  }
  const kept = [id, ...others];
  for (const old of kept.splice(MAX_FILES)) {
    storage.removeItem(PREFIX + old);
  }
  for (;;) {
    try {
      storage.setItem(PREFIX + id, text);
      storage.setItem(INDEX, JSON.stringify(kept));
      return true;
    } catch {
      // The browser's own bound is reached: the oldest goes, as long as there is one.
      const oldest = kept.length > 1 ? kept.pop() : undefined;
      if (oldest === undefined) {
        return false;
      }
      storage.removeItem(PREFIX + oldest);
    }
  }
}

function index(storage: Storage): string[] {
  try {
    const found: unknown = JSON.parse(storage.getItem(INDEX) ?? "[]");
    return Array.isArray(found) ? found.filter((one) => typeof one === "string") : [];
  } catch {
    return [];
  }
}

/** Throws for what is none. */
function parse(text: string): Edits {
  const found = JSON.parse(text) as Partial<Edits>;
  const past = changes(found.past);
  return { texts: texts(found.texts), past: past.slice(-MAX_PAST), future: changes(found.future).slice(-MAX_PAST) };
}

function texts(found: unknown): Texts {
  const entries = Object.entries(found as Record<string, unknown>);
  return Object.fromEntries(
    entries.filter(([key, text]) => /^\d+$/.test(key) && typeof text === "string" && text.length <= MAX_TEXT),
  ) as Texts;
}

function changes(found: unknown): Edits["past"] {
  const list = found as { index: unknown; from: unknown; to: unknown }[];
  return list.filter(
    (one): one is Edits["past"][number] => Number.isInteger(one.index) && isText(one.from) && isText(one.to),
  );
}

function isText(value: unknown): boolean {
  return value === null || typeof value === "string";
}
