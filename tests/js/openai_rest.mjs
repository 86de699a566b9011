// A client of the hub with npm's openai: prints, as JSON, what it was told of a file.
//   node openai_rest.mjs BASE_URL KEY FILE
import { createReadStream } from "node:fs";
import OpenAI from "openai";

const [baseURL, apiKey, path] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey });
const model = "whisper-1";
const file = () => createReadStream(path);

const told = {};
for (const response_format of ["json", "text", "srt", "vtt", "verbose_json", "diarized_json"]) {
  told[response_format] = await client.audio.transcriptions.create({
    model,
    file: file(),
    response_format,
    ...(response_format === "verbose_json" && { timestamp_granularities: ["word", "segment"] }),
  });
}
told.events = [];
for await (const event of await client.audio.transcriptions.create({ model, file: file(), stream: true })) {
  told.events.push(event);
}
told.models = [];
for await (const one of client.models.list()) told.models.push(one.id);
try {
  await client.audio.transcriptions.create({ model, file: new File(["no audio"], "a.wav") });
} catch (error) {
  told.refused = { status: error.status, code: error.code, id: error.requestID };
}
console.log(JSON.stringify(told));
