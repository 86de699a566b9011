/** What the hub says in the body of an HTTP status. */

import { AsrHubError, HubError } from "./errors.js";

/** The error of an answer that is none of 2xx. */
export function refusal(status: number, body: string, retryAfter: string | null = null): AsrHubError {
  const seconds = retryAfter === null || retryAfter === "" ? null : Number(retryAfter);
  try {
    const { error } = JSON.parse(body) as { error: { code: unknown; message: unknown; retryable?: unknown } };
    if (typeof error.code === "string" && typeof error.message === "string") {
      return new HubError(error.code, error.message, error.retryable === true, Number.isNaN(seconds) ? null : seconds);
    }
  } catch {
    // Something between here and the hub answered, and not in the hub's words.
  }
  return new HubError(`http-${status}`, `the answer was HTTP ${status}; is this the address of an ASR Hub?`, status >= 502);
}
