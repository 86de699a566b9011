// Writes each text file of the built page once more as Brotli and once as gzip, beside itself: the hub packs nothing.
//   node compress_page.mjs FOLDER
import { readdir, readFile, writeFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const TEXTS = new Set([".css", ".html", ".js", ".json", ".svg", ".webmanifest"]);

/** Bytes. What is smaller goes in one packet either way. */
const WORTH_IT = 1024;

const folder = process.argv[2];
for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath ?? entry.path, entry.name);
  if (!entry.isFile() || !TEXTS.has(extname(path))) {
    continue;
  }
  const body = await readFile(path);
  if (body.length >= WORTH_IT) {
    const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY } };
    await writeFile(`${path}.br`, brotliCompressSync(body, quality));
    await writeFile(`${path}.gz`, gzipSync(body, { level: 9 }));
  }
}
