import { dictionary } from "./dictionary.js";

export const hub = dictionary({
  en: {
    title: "Hub",
  },
  zh: {
    title: "中枢",
  },
});
