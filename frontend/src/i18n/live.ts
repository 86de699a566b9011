import { dictionary } from "./dictionary.js";

export const live = dictionary({
  en: {
    title: "Live",
  },
  zh: {
    title: "实时",
  },
});
