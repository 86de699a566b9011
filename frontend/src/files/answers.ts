/** What the hub answers about files: the views of src/asr_hub/protocols/jobs_port.py. A newer hub says more. */

export type Status = "queued" | "processing" | "done" | "failed" | "cancelled";

export const STATUSES: readonly Status[] = ["queued", "processing", "done", "failed", "cancelled"];

export interface Failure {
  code: string;
  message: string;
  retryable?: boolean;
}

/** A job as it stands. Times are seconds since the epoch. */
export interface Task {
  task_id: string;
  status: Status;
  /** What the client called the file. */
  name: string;
  /** Bytes */
  size: number;
  provider: string;
  language: string | null;
  channels: "mix" | "split";
  priority: number;
  created_at: number;
  started_at: number | null;
  finished_at: number | null;
  /** Per cent */
  progress: number;
  position: number | null;
  /** Seconds */
  estimated_wait: number | null;
  /** Seconds of audio, once the file is decoded. */
  duration: number | null;
  warnings: string[];
  error: Failure | null;
  principal: string | null;
  result_url: string;
  audio_url: string;
  retry_url: string | null;
}

export interface Word {
  text: string;
  start_ms: number;
  end_ms: number;
  confidence: number | null;
}

export interface Segment {
  text: string;
  start_ms: number;
  end_ms: number;
  language: string | null;
  speaker: string | null;
  confidence: number | null;
  provider: string | null;
  words: readonly Word[];
}

export interface Sentence {
  text: string;
  start_ms: number;
  end_ms: number;
  speaker: string | null;
}

/** A job, and once it is done what was said. */
export interface Result extends Task {
  text: string | null;
  sentences: readonly Sentence[] | null;
  segments: readonly Segment[] | null;
  /** Addresses of the text as a file, by format. */
  formats: Readonly<Record<string, string>> | null;
}

export interface Submitted {
  task_id: string;
  status: Status;
  position: number;
  estimated_wait: number | null;
  is_new: boolean;
  provider: string;
}

export interface History {
  jobs: readonly Task[];
  next: string | null;
  total: number;
}

export interface Queue {
  queued: Readonly<Record<string, number>>;
  processing: Readonly<Record<string, number>>;
  workers: number;
  speed: number | null;
}

export interface Model {
  name: string;
  kind: string;
  description: string;
  is_default: boolean;
  is_ready: boolean;
  languages: readonly string[];
}

export interface Formats {
  inputs: readonly string[];
  outputs: readonly { name: string; media_type: string }[];
  /** Of one file */
  max_bytes: number;
  max_seconds: number;
}

/** How a job that is watched stands: docs/reference/jobs-live.md. */
export interface JobMessage {
  type: "job";
  id: string;
  status: Status;
  progress: number;
  segments: number | null;
  segments_done: number;
  seconds: number | null;
  position: number | null;
  error: Failure | null;
  updated_at: number;
}

/** Whether nothing more happens to it by itself. */
export function isOver(status: Status): boolean {
  return status === "done" || status === "failed" || status === "cancelled";
}

/** The task with what a message tells of it. */
export function told(task: Task, message: JobMessage): Task {
  const isOverNow = isOver(message.status);
  return {
    ...task,
    status: message.status,
    progress: message.progress,
    position: message.position,
    duration: message.seconds ?? task.duration,
    error: message.error,
    started_at: message.status === "processing" ? (task.started_at ?? message.updated_at) : task.started_at,
    finished_at: isOverNow ? (task.finished_at ?? message.updated_at) : null,
    estimated_wait: message.status === "queued" ? task.estimated_wait : null,
  };
}
