/** What the hub answers about itself: the views of src/asr_hub/protocols/facts.py. A newer hub says more. */

export interface Breaker {
  state: "closed" | "open" | "half-open";
  /** Seconds since the epoch */
  until: number | null;
  reason: string | null;
  last_code: string | null;
  openings: number;
}

export interface Score {
  finals: number;
  p50_ms: number | null;
  p95_ms: number | null;
  hedged: number;
  lost: number;
  won: number;
  skipped: number;
  promoted_at: number | null;
}

export interface Comparison {
  primary: string;
  utterances: number;
  words: number;
  /** Errors per word of the primary. */
  wer: number | null;
  cer: number | null;
  latency_ms: number | null;
  primary_latency_ms: number | null;
}

export interface Engine {
  name: string;
  kind: string;
  health: "starting" | "ready" | "failed" | "unloaded" | "stopped" | "retiring";
  is_default: boolean;
  slots_used: number;
  slots: number;
  error: string | null;
  note: string | null;
  capabilities: Record<string, unknown> | null;
  is_shadow: boolean;
  breaker: Breaker | null;
  score: Score | null;
  comparisons: Comparison[];
}

export interface LiveSession {
  /** Public: good for looking at it only. */
  name: string;
  phase: string;
  provider: string;
  protocol: string;
  language: string | null;
  hotwords: number;
  /** Seconds since the epoch */
  opened_at: number;
  audio_seconds: number;
  utterances: number;
  pending: number;
  has_publisher: boolean;
  viewers: number;
  warnings: number;
  principal: string | null;
}

export interface JobStats {
  jobs: Record<string, number>;
  audio_hours: number;
}

export interface Reloaded {
  applied: string[];
  needs_restart: string[];
}
