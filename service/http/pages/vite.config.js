import { readdirSync } from "node:fs";
import { defineConfig } from "vite";

export default defineConfig({
  // Every page is an HTML file here; what it loads is served below /pages, under names that change with the content.
  base: "/pages/",
  esbuild: { jsx: "automatic", jsxImportSource: "preact", legalComments: "none" },
  build: {
    outDir: "built",
    // The oldest browsers that are told of in docs/hosting.md: what they lack is written out for them, styles too.
    target: ["chrome111", "edge111", "firefox121", "safari16.4", "ios16.4"],
    rollupOptions: { input: readdirSync(import.meta.dirname ?? ".").filter((name) => name.endsWith(".html")) },
    modulePreload: { polyfill: false },
    // The policy allows nothing inline.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
  // While one works: the page from here, the API from a running stack.
  server: { proxy: { "/api": process.env.DARKROOM_URL ?? "http://127.0.0.1:8000" } },
});
