/** Server-Sent Events (WHATWG HTML, 9.2) out of the text of a stream, however it was cut. */

export interface ServerEvent {
  id: string;
  event: string;
  data: string;
}

/** Characters of one event. */
const MAX_EVENT = 16 * 2 ** 20;

/** Give it text, get events. A byte order mark is the decoder's business. */
export class EventParser {
  #text = "";
  #data: string[] = [];
  #event = "";
  #id = "";
  #size = 0;

  /** Throws a RangeError for an event without end. */
  add(text: string): ServerEvent[] {
    const events: ServerEvent[] = [];
    // A line may end in CR, LF or both; a CR at the end may be the half of one.
    const lines = (this.#text + text).split(/\r\n|\n|\r(?!$)/);
    this.#text = lines.pop() ?? "";
    for (const line of lines) {
      const event = this.#line(line);
      if (event !== undefined) {
        events.push(event);
      }
    }
    if (this.#size + this.#text.length > MAX_EVENT) {
      throw new RangeError("an event without end came from the hub");
    }
    return events;
  }

  #line(line: string): ServerEvent | undefined {
    if (line === "") {
      const event =
        this.#data.length === 0 ? undefined : { id: this.#id, event: this.#event || "message", data: this.#data.join("\n") };
      this.#data = [];
      this.#event = "";
      this.#size = 0;
      return event;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const rest = colon < 0 ? "" : line.slice(colon + 1);
    const value = rest.startsWith(" ") ? rest.slice(1) : rest;
    if (field === "data") {
      this.#data.push(value);
      this.#size += value.length;
    } else if (field === "event") {
      this.#event = value;
    } else if (field === "id" && !value.includes("\0")) {
      this.#id = value;
    }
    return undefined;
  }
}
