// One session speaks, another watches it; and what the hub says of itself. Tells it all as one line of JSON.
//   node watch.mjs SDK URL TRANSPORT FILE
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [sdk, url, transport, path] = process.argv.slice(2);
const { AsrHub } = await import(pathToFileURL(join(sdk, "dist", "index.js")));

const hub = new AsrHub({ url, transport });
const session = await hub.open();
const viewer = await hub.watch(session.id);
const read = async (from) => {
  const all = [];
  for await (const message of from) {
    all.push(message);
  }
  return all;
};
const seen = read(viewer);
const firstFinal = new Promise((resolve) => session.on("final", resolve));
await session.configure({ partials: false });
await session.send(await readFile(path));
await session.finalize();
await session.clear();
await firstFinal;
const late = await hub.watch(session.id, { seq: 1 });
const seenLate = read(late);
await session.close();
console.log(
  JSON.stringify({
    role: viewer.role,
    told: await read(session),
    seen: await seen,
    late: await seenLate,
    providers: await hub.providers(),
    health: await hub.health(),
  }),
);
