import "./files.css";

import type { Route } from "../router.js";
import { FilePage } from "./file_page.js";
import { Overview } from "./overview.js";

export default function View({ route }: { route: Extract<Route, { view: "files" }> }) {
  return (
    <main id="content" data-testid="view-files">
      {route.id === undefined ? <Overview /> : <FilePage key={route.id} id={route.id} />}
    </main>
  );
}
