import { dictionary } from "./dictionary.js";

export const timeline = dictionary({
  en: {
    title: "Time travel",
  },
  zh: {
    title: "时间旅行",
  },
});
