import { dictionary } from "./dictionary.js";

export const watch = dictionary({
  en: {
    title: "Watch",
  },
  zh: {
    title: "旁观",
  },
});
