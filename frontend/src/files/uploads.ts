/** Files on their way to the hub: a few at a time, each with its progress, and each can be stopped. */

import { ApiError, base, key, messageOf, newKey } from "../api.js";
import { type Dispatch, store } from "../store/store.js";
import { sentence } from "../ui/index.js";
import type { Submitted } from "./answers.js";
import { asTask, JOBS, readQueue, readResult } from "./jobs.js";
import { formFields, type Order } from "./order.js";
import { taskRead, uploadAdded, uploadChanged } from "./slice.js";

/** Uploads at the same time. */
const AT_ONCE = 2;

/** Milliseconds between two looks at how much has left. */
const LOOK = 150;

interface Waiting {
  key: string;
  file: File;
  order: Order;
}

export class Uploads {
  readonly #waiting: Waiting[] = [];
  readonly #sending = new Map<string, XMLHttpRequest | null>();
  #count = 0;

  constructor(private readonly dispatch: Dispatch) {}

  add(files: Iterable<File>, order: Order): void {
    for (const file of files) {
      this.#count += 1;
      const one = { key: `upload-${this.#count}`, file, order };
      this.#waiting.push(one);
      this.dispatch(uploadAdded({ key: one.key, name: file.name, size: file.size }));
    }
    this.#next();
  }

  cancel(wanted: string): void {
    const index = this.#waiting.findIndex((one) => one.key === wanted);
    if (index >= 0) {
      this.#waiting.splice(index, 1);
    } else if (this.#sending.has(wanted)) {
      this.#sending.get(wanted)?.abort();
      this.#sending.delete(wanted);
    } else {
      return;
    }
    this.dispatch(uploadChanged({ key: wanted, state: "cancelled" }));
    this.#next();
  }

  #next(): void {
    while (this.#sending.size < AT_ONCE) {
      const one = this.#waiting.shift();
      if (one === undefined) {
        return;
      }
      this.#sending.set(one.key, null);
      this.dispatch(uploadChanged({ key: one.key, state: "sending" }));
      void this.#send(one);
    }
  }

  async #send(one: Waiting): Promise<void> {
    try {
      const submitted = await this.#submit(one);
      if (!this.#sending.has(one.key)) {
        return;
      }
      const { task_id: task, is_new } = submitted;
      this.dispatch(uploadChanged({ key: one.key, state: "done", sent: one.file.size, task, isKnown: !is_new }));
      await this.#list(task);
    } catch (error) {
      if (this.#sending.has(one.key)) {
        this.dispatch(uploadChanged({ key: one.key, state: "failed", error: sentence(messageOf(error)) }));
      }
    } finally {
      this.#sending.delete(one.key);
      this.#next();
    }
  }

  /** The file is with the hub, whatever comes of this. */
  async #list(task: string): Promise<void> {
    try {
      this.dispatch(taskRead({ task: asTask(await readResult(this.dispatch, task)), isNew: true }));
      await readQueue(this.dispatch);
    } catch {
      // The next look at the history shows it.
    }
  }

  /** Asks for a key where the hub wants one, and sends the file again with it. */
  async #submit(one: Waiting): Promise<Submitted> {
    for (;;) {
      const used = key();
      try {
        return await this.#post(one, used);
      } catch (error) {
        if (!(error instanceof ApiError && error.status === 401) || (await newKey(used)) === undefined) {
          throw error;
        }
      }
    }
  }

  #post({ key: name, file, order }: Waiting, used: string | undefined): Promise<Submitted> {
    const form = new FormData();
    for (const [field, value] of formFields(order)) {
      form.append(field, value);
    }
    form.append("audio", file, file.name);
    const sending = new XMLHttpRequest();
    this.#sending.set(name, sending);
    let looked = 0;
    return new Promise((resolve, reject) => {
      sending.upload.onprogress = ({ loaded, timeStamp }) => {
        if (timeStamp - looked >= LOOK) {
          looked = timeStamp;
          this.dispatch(uploadChanged({ key: name, sent: Math.min(loaded, file.size) }));
        }
      };
      sending.onload = () => {
        if (sending.status >= 200 && sending.status < 300) {
          resolve(JSON.parse(sending.responseText) as Submitted);
        } else {
          reject(refusal(sending));
        }
      };
      sending.onerror = () => reject(new ApiError("upload-broken", "the hub does not answer, or ended the upload", 0));
      sending.onabort = () => reject(new ApiError("stopped", "stopped", 0));
      sending.open("POST", `${base()}${JOBS}/submit`);
      if (used !== undefined) {
        sending.setRequestHeader("Authorization", `Bearer ${used}`);
      }
      sending.send(form);
    });
  }
}

/** Those of this page. They go on while another view is open. */
export const uploads = new Uploads(store.dispatch);

function refusal({ status, responseText }: XMLHttpRequest): ApiError {
  try {
    const { error } = JSON.parse(responseText) as { error: { code: string; message: string } };
    return new ApiError(error.code, error.message, status);
  } catch {
    return new ApiError(`http-${status}`, `HTTP ${status}`, status);
  }
}
