import react from "@vitejs/plugin-react";
import { loadEnv } from "vite";
import { defineConfig } from "vitest/config";

import { compressed } from "./compress.js";

const here = (path: string): string => decodeURIComponent(new URL(path, import.meta.url).pathname);

/** The hub that `npm run dev` talks to. */
const hub = loadEnv("", ".", "ASR_HUB")["ASR_HUB"] ?? "http://127.0.0.1:8765";

const proxy = Object.fromEntries(
  ["/v1", "/api", "/health", "/metrics", "/socket.io"].map((path) => [path, { target: hub, ws: true, changeOrigin: true }]),
);

export default defineConfig({
  base: "./",
  plugins: [react(), compressed()],
  resolve: {
    // The client by its source: one copy, and what it does not use is not sent.
    alias: [
      { find: /^asr-hub-client\/(\w+)$/, replacement: here("../sdk/typescript/src/$1.ts") },
      { find: "asr-hub-client", replacement: here("../sdk/typescript/src/index.ts") },
    ],
  },
  server: { proxy, fs: { allow: [here("."), here("../sdk/typescript/src")] } },
  preview: { proxy },
  build: {
    outDir: here("../src/asr_hub/web"),
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  test: { include: ["src/**/*.test.{ts,tsx}"], environment: "node", testTimeout: 10_000 },
});
