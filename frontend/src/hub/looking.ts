/** Looks at the hub every two seconds, while somebody looks at the page. */

import { useEffect } from "react";

import { ApiError, json, messageOf, onKeyGiven } from "../api.js";
import { repeat } from "../repeat.js";
import { useDispatch } from "../store/hooks.js";
import type { Dispatch } from "../store/store.js";
import type { Engine, JobStats, LiveSession } from "./answers.js";
import { EVERY } from "./samples.js";
import { looked, lookFailed } from "./slice.js";

export function useLooking(): void {
  const dispatch = useDispatch();
  useEffect(() => {
    const watch = new Looking(dispatch);
    return () => watch.close();
  }, [dispatch]);
}

/** Whoever makes one closes it. */
class Looking {
  readonly #abort = new AbortController();
  /** What was refused for good is not asked for again. */
  readonly #refused = new Set<string>();
  readonly #deafen = onKeyGiven(() => this.#refused.clear());

  constructor(private readonly dispatch: Dispatch) {
    const { signal } = this.#abort;
    void repeat(() => this.#once(signal), { signal, every: EVERY, onFailure: (error) => dispatch(lookFailed(messageOf(error))) });
  }

  close(): void {
    this.#deafen();
    this.#abort.abort();
  }

  async #once(signal: AbortSignal): Promise<void> {
    const [health, engines, sessions, stats] = await Promise.all([
      json<{ sessions: number }>("/health", { signal }),
      json<Engine[]>("/v1/providers", { signal }),
      this.#ifAllowed<LiveSession[]>("/v1/sessions"),
      this.#ifAllowed<JobStats>("/api/v1/stats"),
    ]);
    if (!signal.aborted) {
      this.dispatch(looked({ at: Date.now(), engines, sessions, count: health.sessions, stats }));
    }
  }

  /** Null where this key may not, or the hub takes no files. */
  async #ifAllowed<Answer>(path: string): Promise<Answer | null> {
    if (this.#refused.has(path)) {
      return null;
    }
    try {
      return await json<Answer>(path, { signal: this.#abort.signal });
    } catch (error) {
      if (error instanceof ApiError && (error.status === 401 || error.status === 403 || error.code === "jobs-unavailable")) {
        this.#refused.add(path);
        return null;
      }
      throw error;
    }
  }
}
