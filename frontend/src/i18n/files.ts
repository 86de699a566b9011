import { dictionary } from "./dictionary.js";

export const files = dictionary({
  en: {
    title: "Files",
  },
  zh: {
    title: "文件",
  },
});
