/** Each text file of the build once more as Brotli and once as gzip, beside itself: the hub packs nothing. */

import { readdir, readFile, writeFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const TEXTS = new Set([".css", ".html", ".js", ".json", ".svg", ".webmanifest"]);

/** Bytes. What is smaller goes in one packet either way. */
const WORTH_IT = 1024;

export function compressed() {
  let folder = "";
  return {
    name: "compressed",
    apply: "build",
    configResolved: ({ build }) => {
      folder = build.outDir;
    },
    closeBundle: () => pack(folder),
  };
}

async function pack(folder) {
  for (const name of await readdir(folder, { recursive: true })) {
    if (!TEXTS.has(extname(name))) {
      continue;
    }
    const path = join(folder, name);
    const body = await readFile(path);
    if (body.length >= WORTH_IT) {
      const params = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY };
      await writeFile(`${path}.br`, brotliCompressSync(body, { params }));
      await writeFile(`${path}.gz`, gzipSync(body, { level: 9 }));
    }
  }
}
