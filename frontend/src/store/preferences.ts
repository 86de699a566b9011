/** What a person chose for this browser. */

import { createSlice, type PayloadAction } from "@reduxjs/toolkit";

import { type Language, LANGUAGES } from "../i18n/dictionary.js";

export const THEMES = ["system", "light", "dark"] as const;

export type Theme = (typeof THEMES)[number];

export interface Preferences {
  language: Language;
  theme: Theme;
}

const KEY = "asr-hub-preferences";

export const preferences = createSlice({
  name: "preferences",
  initialState: (): Preferences => remembered(),
  reducers: {
    languageChosen(state, { payload }: PayloadAction<Language>) {
      state.language = payload;
    },
    themeChosen(state, { payload }: PayloadAction<Theme>) {
      state.theme = payload;
    },
  },
});

export const { languageChosen, themeChosen } = preferences.actions;

/** Kept in localStorage, where the browser lets the page. */
export function remember(chosen: Preferences): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(chosen));
  } catch {
    // A browser that keeps nothing asks again next time.
  }
}

function remembered(): Preferences {
  const language: Language = navigator.language.startsWith("zh") ? "zh" : "en";
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<Preferences>;
    return {
      language: LANGUAGES.find((one) => one === kept.language) ?? language,
      theme: THEMES.find((one) => one === kept.theme) ?? "system",
    };
  } catch {
    return { language, theme: "system" };
  }
}
