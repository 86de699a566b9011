/** What a reload of the page must not lose, kept in this tab. */

import type { Line } from "../store/transcript.js";
import type { Choices } from "./slice.js";

export interface Kept {
  session: string;
  /** The last that was told; without it the hub tells all that it keeps. */
  seq?: number;
  choices: Choices;
  /** Whether the microphone was open. */
  wasListening: boolean;
  lines: readonly Line[];
  /** What the hub had not taken yet: where it begins, and its bytes in base64. */
  offset: number;
  audio: string;
  /** Of a session that is over: why. Its text stays in the tab until a new page is wanted. */
  ending?: string;
}

const KEY = "asr-hub-live";

/** Where all of it is more than the browser keeps, the session alone. */
export function keep(kept: Kept): void {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(kept));
  } catch {
    try {
      const { session, choices, wasListening, offset } = kept;
      const least: Kept = { session, choices, wasListening, offset, lines: [], audio: "" };
      sessionStorage.setItem(KEY, JSON.stringify(least));
    } catch {
      // A browser that keeps nothing begins anew.
    }
  }
}

export function forget(): void {
  sessionStorage.removeItem(KEY);
}

export function recall(): Kept | undefined {
  try {
    const text = sessionStorage.getItem(KEY);
    return text === null ? undefined : (JSON.parse(text) as Kept);
  } catch {
    return undefined;
  }
}

export function toBase64(bytes: Uint8Array): string {
  const step = 32_768;
  let text = "";
  for (let at = 0; at < bytes.length; at += step) {
    text += String.fromCharCode(...bytes.subarray(at, at + step));
  }
  return btoa(text);
}

export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}
