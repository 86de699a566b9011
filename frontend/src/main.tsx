import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/ui.css";

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Provider } from "react-redux";

import { takeToken } from "./api.js";
import { App } from "./app.js";
import { store } from "./store/store.js";

/** Colours that canvases ask for by their names: so registered, they are told the one of the theme. */
const DRAWN = ["accent", "accent-soft", "sunken", "ink", "ink-soft", "line", "line-strong", "series-1", "series-3", "bad", "warning"];

for (const name of DRAWN) {
  CSS.registerProperty({ name: `--${name}`, syntax: "<color>", inherits: true, initialValue: "transparent" });
}

const root = document.getElementById("root");
if (root === null) {
  throw new Error("index.html has no #root");
}
takeToken();
createRoot(root).render(
  <StrictMode>
    <Provider store={store}>
      <App />
    </Provider>
  </StrictMode>,
);
