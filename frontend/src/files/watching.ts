/** Live progress of jobs, told by the hub. */

import { ApiError } from "../api.js";
import { events } from "../events.js";
import type { Dispatch } from "../store/store.js";
import { isOver, type JobMessage, type Task } from "./answers.js";
import { JOBS } from "./jobs.js";
import { jobFact, jobForgotten } from "./slice.js";

/** Streams at the same time: a browser has six connections to one host, and others need some. */
export const AT_ONCE = 3;

/** The jobs to watch, those that are worked at first, then as they will be. */
export function nearest(tasks: readonly Task[]): string[] {
  const rank = (task: Task): number => (task.status === "processing" ? 0 : 1);
  return tasks
    .filter((task) => !isOver(task.status))
    .sort((one, other) => rank(one) - rank(other) || one.priority - other.priority || one.created_at - other.created_at)
    .slice(0, AT_ONCE)
    .map((task) => task.task_id);
}

/** Owns the streams. Whoever makes one closes it. */
export class JobWatch {
  readonly #streams = new Map<string, AbortController>();

  constructor(
    private readonly dispatch: Dispatch,
    /** Told when a job came to its end. */
    private readonly onOver: (id: string) => void = () => undefined,
  ) {}

  /** Watch these and no others. */
  want(ids: readonly string[]): void {
    for (const [id, abort] of this.#streams) {
      if (!ids.includes(id)) {
        this.#streams.delete(id);
        abort.abort();
      }
    }
    for (const id of ids) {
      if (!this.#streams.has(id)) {
        const abort = new AbortController();
        this.#streams.set(id, abort);
        void this.#watch(id, abort);
      }
    }
  }

  close(): void {
    this.want([]);
  }

  async #watch(id: string, abort: AbortController): Promise<void> {
    try {
      for await (const event of events(`${JOBS}/events/${encodeURIComponent(id)}`, { signal: abort.signal })) {
        if (event.event !== "job") {
          continue;
        }
        const message = JSON.parse(event.data) as JobMessage;
        this.dispatch(jobFact(message));
        if (isOver(message.status)) {
          this.onOver(id);
          break;
        }
      }
    } catch (error) {
      if (error instanceof ApiError && error.code === "unknown-job") {
        this.dispatch(jobForgotten({ id }));
      }
      // Anything else was refused for good: the list shows the job as it was last known.
    }
    if (this.#streams.get(id) === abort) {
      // Its place stays taken until others are wanted, so that a stream that was refused is not asked for again at once.
      abort.abort();
    }
  }
}
