/** The timeline that is open, for the parts that show it. */

import { useSelector } from "../store/hooks.js";
import { NO_TIMELINE, type Timeline } from "./slice.js";

/** The slice comes with the view, so the store does not know it before. */
export function useTimeline<Part>(part: (timeline: Timeline) => Part): Part {
  return useSelector((state) => part(state.timeline ?? NO_TIMELINE));
}
