// Reads a session's events with npm's EventSource until the hub says that there are no more; prints what it saw.
import { EventSource } from "eventsource";

const types = [
  "ready", "speech-started", "partial", "endpoint", "final", "audio-ack", "warning", "error", "reset", "closed", "message",
];
const seen = [];
let opened = 0;

const source = new EventSource(process.argv[2]);
source.onopen = () => opened++;
for (const type of types) {
  source.addEventListener(type, (event) => {
    // EventSource has errors of its own under the name of the message; those carry no data.
    if (event.data !== undefined) seen.push({ id: event.lastEventId, type, data: event.data });
  });
}
source.onerror = (event) => {
  if (source.readyState === EventSource.CLOSED) {
    console.log(JSON.stringify({ seen, opened, code: event.code }));
  }
};
