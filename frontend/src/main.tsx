import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/ui.css";

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Provider } from "react-redux";

import { takeToken } from "./api.js";
import { App } from "./app.js";
import { store } from "./store/store.js";

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
