/** Lists that may be long. */

import { type ReactNode, useState } from "react";

import { common } from "../i18n/common.js";
import { useText } from "../i18n/text.js";
import { Button } from "./controls.js";

/** Rows that are shown without being asked for. */
const FIRST = 20;

/** The first rows, and how to see all of them: what stands below a list is not pushed out of reach. */
export function useFirst<Row>(rows: readonly Row[]): [shown: readonly Row[], more: ReactNode] {
  const t = useText(common);
  const [isWhole, setWhole] = useState(false);
  if (rows.length <= FIRST) {
    return [rows, null];
  }
  const more = (
    <div className="row">
      <Button aria-expanded={isWhole} onClick={() => setWhole(!isWhole)}>
        {isWhole ? t("showFirst", { count: FIRST }) : t("showAll", { count: rows.length })}
      </Button>
    </div>
  );
  return [isWhole ? rows : rows.slice(0, FIRST), more];
}
