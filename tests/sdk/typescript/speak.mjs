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
try {
  const session = await hub.open({ language: "en" });
  session.on("connection", ({ state }) => states.push(state));
  const messages = (async () => {
    const all = [];
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
  console.log(JSON.stringify({ error: error.name, code: error.code, message: error.message }));
}
