/** The words for what a cause did. */

import { timeline } from "../i18n/timeline.js";

type Key = keyof typeof timeline.en;

/** A newer hub may know links that this page does not. */
export function linkKey(link: string): Key {
  const wanted = `link_${link}`;
  return wanted in timeline.en ? (wanted as Key) : "link_other";
}
