/** What the hub tells when asked, kept by the component that shows it. */

import { useCallback, useEffect, useState } from "react";

import { json, messageOf, onKeyGiven } from "../api.js";

export interface Resource<Answer> {
  /** The last good answer; it stays when a later request fails. */
  data: Answer | undefined;
  error: string | undefined;
  isLoading: boolean;
  reload: () => void;
}

export interface ResourceOptions {
  /** Milliseconds after which it is asked again; never while the page is hidden. */
  every?: number;
}

/** Asks `path` when it is shown and again when it changes; nothing is asked for null. */
export function useResource<Answer>(path: string | null, { every }: ResourceOptions = {}): Resource<Answer> {
  const [kept, keep] = useState<{ path: string | null; data?: Answer; error?: string; isLoading: boolean }>({ path, isLoading: true });
  const [turn, setTurn] = useState(0);
  const reload = useCallback(() => setTurn((before) => before + 1), []);
  useEffect(() => {
    if (path === null) {
      return undefined;
    }
    const abort = new AbortController();
    json<Answer>(path, { signal: abort.signal }).then(
      (data) => keep({ path, data, isLoading: false }),
      (error: unknown) => {
        if (!abort.signal.aborted) {
          keep((before) => ({ ...(before.path === path ? before : { path }), error: messageOf(error), isLoading: false }));
        }
      },
    );
    return () => abort.abort();
  }, [path, turn]);
  useEffect(() => onKeyGiven(reload), [reload]);
  useEffect(() => {
    if (every === undefined || path === null) {
      return undefined;
    }
    const timer = setInterval(() => {
      if (!document.hidden) {
        reload();
      }
    }, every);
    return () => clearInterval(timer);
  }, [every, path, reload]);
  const isCurrent = kept.path === path;
  return {
    data: isCurrent ? kept.data : undefined,
    error: isCurrent ? kept.error : undefined,
    isLoading: path !== null && (!isCurrent || kept.isLoading),
    reload,
  };
}
