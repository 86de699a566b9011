/** Requests to the hub that served this page. */

import { HubError } from "asr-hub-client";

import { fill } from "./i18n/dictionary.js";
import { errors } from "./i18n/errors.js";

/** Any request that did not come to a good end. */
export class ApiError extends Error {
  override name = "ApiError";

  constructor(
    /** One of docs/reference/http.md; `unreachable` where no hub answers. */
    readonly code: string,
    message: string,
    /** 0 where no hub answers. */
    readonly status: number,
    readonly isRetryable = false,
    /** Seconds, where the hub says so. */
    readonly retryAfter: number | null = null,
  ) {
    super(message);
  }
}

/** The page asks for a key. Resolved with it, or with null where the person wants to go on without. */
type AskForKey = (isWrong: boolean) => Promise<string | null>;

const KEY = "asr-hub-key";

/** Milliseconds, at least, after a failure that passes. */
const AGAIN = 2_000;

let askForKey: AskForKey | undefined;
/** All requests that meet a closed door wait for the same answer. */
let asking: Promise<string | undefined> | undefined;
/** The person goes on without a key: nothing asks for one until they do. */
let isDeclined = false;
/** Who asks the hub again when a key is there after all. */
const waiting = new Set<() => void>();

/** The address of the hub without a slash at its end; the page may lie below a prefix. */
export function base(): string {
  return new URL(".", location.href).href.replace(/\/$/, "");
}

/** Who asks for the key when the hub answers 401. */
export function onKeyWanted(ask: AskForKey): void {
  askForKey = ask;
}

/** Undefined where none was given. Kept in this tab, and in no address. */
export function key(): string | undefined {
  return sessionStorage.getItem(KEY) ?? undefined;
}

/** A token that came with the address (`?token=…`) is kept as a key is, and taken out of the address: who copies that shares no token. */
export function takeToken(): void {
  const address = new URL(location.href);
  const token = address.searchParams.get("token");
  if (token) {
    sessionStorage.setItem(KEY, token);
    address.searchParams.delete("token");
    history.replaceState(history.state, "", address);
  }
}

/** Asks for a key where it was refused, unless the person went on without; undefined where there is none. */
export async function newKey(refused: string | undefined): Promise<string | undefined> {
  const now = key();
  if (now !== refused) {
    return now;
  }
  return isDeclined ? undefined : asked(refused !== undefined);
}

/** The person, who went on without a key, gives one; what was refused is asked for again. */
export async function giveKey(): Promise<void> {
  if ((await asked(false)) !== undefined) {
    for (const again of [...waiting]) {
      again();
    }
  }
}

/** Call `again` when a key is given after all; the function returned ends that. */
export function onKeyGiven(again: () => void): () => void {
  waiting.add(again);
  return () => waiting.delete(again);
}

function asked(isWrong: boolean): Promise<string | undefined> {
  asking ??= answered(isWrong).finally(() => {
    asking = undefined;
  });
  return asking;
}

async function answered(isWrong: boolean): Promise<string | undefined> {
  if (askForKey === undefined) {
    return undefined;
  }
  const given = await askForKey(isWrong);
  isDeclined = given === null || given === "";
  if (given === null || given === "") {
    return undefined;
  }
  sessionStorage.setItem(KEY, given);
  return given;
}

export interface RequestOptions {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Sent as JSON, unless it is a Blob or a form. */
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
}

/** Resolved with the head of a good answer; rejected with ApiError, or as `signal` says. */
export async function request(path: string, options: RequestOptions = {}): Promise<Response> {
  for (;;) {
    const used = key();
    const response = await once(path, options, used);
    if (response.ok) {
      return response;
    }
    const refused = await refusal(response);
    if (response.status !== 401 || (await newKey(used)) === undefined) {
      throw refused;
    }
  }
}

/** As `request`; the body as JSON, undefined where there is none. */
export async function json<Answer>(path: string, options: RequestOptions = {}): Promise<Answer> {
  const response = await request(path, options);
  const text = await response.text();
  return (text === "" ? undefined : JSON.parse(text)) as Answer;
}

async function once(path: string, options: RequestOptions, used: string | undefined): Promise<Response> {
  const { method = "GET", body, signal } = options;
  const headers = new Headers(options.headers);
  if (used !== undefined) {
    headers.set("Authorization", `Bearer ${used}`);
  }
  const isWhole = body === undefined || body instanceof Blob || body instanceof FormData || body instanceof ArrayBuffer;
  if (!isWhole) {
    headers.set("Content-Type", "application/json");
  }
  try {
    return await fetch(base() + path, {
      method,
      headers,
      cache: "no-store",
      ...(body !== undefined && { body: isWhole ? body : JSON.stringify(body) }),
      ...(signal && { signal }),
    });
  } catch (error) {
    if (signal?.aborted) {
      throw error;
    }
    throw new ApiError("unreachable", "the hub does not answer", 0, true);
  }
}

async function refusal(response: Response): Promise<ApiError> {
  const text = await response.text().catch(() => "");
  const after = Number(response.headers.get("retry-after") ?? NaN);
  const wait = Number.isFinite(after) ? after : null;
  try {
    const { error } = JSON.parse(text) as { error: { code: string; message: string; retryable: boolean } };
    return new ApiError(error.code, error.message, response.status, error.retryable, wait);
  } catch {
    return new ApiError(`http-${response.status}`, response.statusText || `HTTP ${response.status}`, response.status, false, wait);
  }
}

/**
 * What to show a person for any failure, in the language that the document has: the page's own words for what it knows by its
 * code, and else the hub's, which says everything in English and with its routes.
 */
export function messageOf(error: unknown): string {
  const words = errors[document.documentElement.lang.startsWith("zh") ? "zh" : "en"];
  if (!(error instanceof ApiError || error instanceof HubError)) {
    return error instanceof Error ? error.message : String(error);
  }
  const own: string | undefined = (words as Record<string, string>)[error.code];
  return own ?? fill(words.hubSays, { message: error.message });
}

/** Milliseconds after which a hub that was away, or that has too much to do, is asked again; undefined where it refused for good. */
export function waitAfter(error: unknown): number | undefined {
  if (!(error instanceof ApiError) || !(error.isRetryable || error.status === 0 || error.status >= 500)) {
    return undefined;
  }
  return Math.min(60_000, Math.max(AGAIN, (error.retryAfter ?? 0) * 1000));
}
