import { useMemo } from "react";

import { useSelector } from "../store/hooks.js";
import { type Dictionary, type Translate, translator } from "./dictionary.js";

/** The texts of a dictionary in the language of the page. */
export function useText<Key extends string>(texts: Dictionary<Key>): Translate<Key> {
  const language = useSelector((state) => state.preferences.language);
  return useMemo(() => translator(texts, language), [texts, language]);
}

/** Numbers, dates and lengths as the language of the page writes them. */
export function useLocale(): string {
  return useSelector((state) => (state.preferences.language === "zh" ? "zh-Hans" : "en"));
}
