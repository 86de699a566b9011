/** Where the player gets a file from. */

import { useCallback, useEffect, useState } from "react";

import { base, key, messageOf, request } from "../api.js";
import type { Task } from "./answers.js";

/** Bytes that are loaded whole without being asked for, where a key has to go with the request. */
const BY_ITSELF = 32e6;

/** Bytes that are held in the memory of the page at most. */
export const MOST = 512e6;

export interface Audio {
  src: string | undefined;
  /** `big`: loaded on a person's wish; `huge`: not at all. */
  state: "ready" | "loading" | "big" | "huge" | "failed";
  error: string | undefined;
  load: () => void;
}

/**
 * A player sends no key, so that with one the file is loaded whole and played from memory; without, the player asks for the
 * parts that it needs.
 */
export function useAudio({ audio_url: path, size }: Pick<Task, "audio_url" | "size">): Audio {
  const isOpen = key() === undefined;
  const [isWanted, setWanted] = useState(size <= BY_ITSELF);
  const [blob, setBlob] = useState<string>();
  const [error, setError] = useState<string>();
  const load = useCallback(() => setWanted(true), []);
  const isLoaded = !isOpen && isWanted && size <= MOST;
  useEffect(() => {
    if (!isLoaded) {
      return undefined;
    }
    const abort = new AbortController();
    let url: string | undefined;
    request(path, { signal: abort.signal })
      .then((response) => response.blob())
      .then((whole) => {
        if (!abort.signal.aborted) {
          url = URL.createObjectURL(whole);
          setBlob(url);
        }
      })
      .catch((failure: unknown) => {
        if (!abort.signal.aborted) {
          setError(messageOf(failure));
        }
      });
    return () => {
      abort.abort();
      if (url !== undefined) {
        URL.revokeObjectURL(url);
      }
    };
  }, [path, isLoaded]);
  if (isOpen) {
    return { src: base() + path, state: "ready", error: undefined, load };
  }
  const state = size > MOST ? "huge" : error !== undefined ? "failed" : !isWanted ? "big" : blob === undefined ? "loading" : "ready";
  return { src: blob, state, error, load };
}
