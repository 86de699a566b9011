// Validates AsyncAPI documents with the official parser: prints, as JSON, what it found in each file.
import { readFile } from "node:fs/promises";
import { Parser } from "@asyncapi/parser";

const parser = new Parser();
const found = [];
for (const path of process.argv.slice(2)) {
  const { document, diagnostics } = await parser.parse(await readFile(path, "utf-8"), { source: path });
  found.push({
    isParsed: document !== undefined,
    channels: document?.allChannels().all().map((channel) => channel.address()) ?? [],
    operations: document?.allOperations().all().length ?? 0,
    messages: document?.allMessages().all().length ?? 0,
    // 0 is an error, 1 a warning; from 2 on it is advice.
    problems: diagnostics
      .filter(({ severity }) => severity < 2)
      .map(({ code, message, path }) => `${path.join(".")}: ${code}: ${message}`),
  });
}
console.log(JSON.stringify(found));
