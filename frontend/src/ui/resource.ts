/** What the hub tells when asked, kept by the component that shows it. */

import { useCallback, useEffect, useState } from "react";

import { json, messageOf, onKeyGiven } from "../api.js";
import { repeat } from "../repeat.js";

export interface Resource<Answer> {
  /** The last good answer; it stays when a later request fails. */
  data: Answer | undefined;
  error: string | undefined;
  isLoading: boolean;
  reload: () => void;
}

export interface ResourceOptions {
  /** Milliseconds after an answer until it is asked again; never while the page is hidden. */
  every?: number;
}

/** Asks `path` when it is shown, again when it changes, and until the hub answers; nothing is asked for null. */
export function useResource<Answer>(path: string | null, { every }: ResourceOptions = {}): Resource<Answer> {
  const [kept, keep] = useState<{ path: string | null; data?: Answer; error?: string; isLoading: boolean }>({ path, isLoading: true });
  const [turn, setTurn] = useState(0);
  const reload = useCallback(() => setTurn((before) => before + 1), []);
  useEffect(() => {
    if (path === null) {
      return undefined;
    }
    const abort = new AbortController();
    const { signal } = abort;
    const ask = async (): Promise<void> => {
      const data = await json<Answer>(path, { signal });
      if (!signal.aborted) {
        keep({ path, data, isLoading: false });
      }
    };
    const onFailure = (error: unknown): void => {
      keep((before) => ({ ...(before.path === path ? before : { path }), error: messageOf(error), isLoading: false }));
    };
    void repeat(ask, { signal, every, onFailure });
    return () => abort.abort();
  }, [every, path, turn]);
  useEffect(() => onKeyGiven(reload), [reload]);
  const isCurrent = kept.path === path;
  return {
    data: isCurrent ? kept.data : undefined,
    error: isCurrent ? kept.error : undefined,
    isLoading: path !== null && (!isCurrent || kept.isLoading),
    reload,
  };
}
