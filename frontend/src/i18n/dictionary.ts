/** Texts in every language of the page, by key. */

export const LANGUAGES = ["en", "zh"] as const;

export type Language = (typeof LANGUAGES)[number];

export type Dictionary<Key extends string> = Readonly<Record<Language, Readonly<Record<Key, string>>>>;

/** What stands in the braces of a text. */
export type Values = Readonly<Record<string, string | number>>;

export type Translate<Key extends string> = (key: Key, values?: Values) => string;

/** A dictionary whose languages have the same keys: the compiler says which one lacks what. */
export function dictionary<Key extends string>(texts: {
  en: Record<Key, string>;
  zh: Record<NoInfer<Key>, string>;
}): Dictionary<Key> {
  return texts;
}

/**
 * `{name}` in a text is replaced by the value of that name, and `{name|word|words}` by the one word or the other: the first
 * is for the value 1. A name without a value stays as it is.
 */
export function fill(text: string, values: Values = {}): string {
  return text.replace(/\{(\w+)(?:\|([^|}]*)\|([^|}]*))?\}/g, (whole: string, name: string, one?: string, many?: string) => {
    const value = values[name];
    const word = value === 1 ? one : many;
    return value === undefined ? whole : (word ?? String(value));
  });
}

export function translator<Key extends string>(texts: Dictionary<Key>, language: Language): Translate<Key> {
  return (key, values) => fill(texts[language][key], values);
}
