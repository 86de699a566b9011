// Sends a file of raw audio to a hub and tells what came of it, as one line of JSON.
//   node speak.mjs SDK URL TRANSPORT FILE [KEY [wait]]
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [sdk, url, transport, path, key, wait] = process.argv.slice(2);
const { AsrHub } = await import(pathToFileURL(join(sdk, "dist", "index.js")));

const audio = await readFile(path);
const hub = new AsrHub({ url, transport, ...(key && { key }) });
const states = [];
const all = [];
let messages;
try {
  const session = await hub.open({ language: "en" });
  session.on("connection", ({ state }) => states.push(state));
  messages = (async () => {
    for await (const message of session) {
      all.push(message);
    }
    return all;
  })();
  // Awaited at the end; what fails before that is told by what fails first.
  messages.catch(() => undefined);
  for (let at = 0; at < audio.length; at += 6400) {
    await session.send(audio.subarray(at, at + 6400));
  }
  const closed = await (wait ? session.closed : session.close());
  console.log(JSON.stringify({ messages: await messages, closed, states, acknowledged: session.acknowledged }));
} catch (error) {
  await messages?.catch(() => undefined);
  const { name, code, message, reason, audio: kept } = error;
  const unheard = kept && Buffer.from(kept).toString("base64");
  console.log(JSON.stringify({ error: name, code, message, reason, unheard, messages: all }));
}
