import { defineConfig, type ProxyOptions } from "vite";

/** A bridge that runs beside `npx vite`; to it the page is one of its own. */
const ADDRESS = "http://127.0.0.1:8080";
const BRIDGE: ProxyOptions = { target: ADDRESS, ws: true, changeOrigin: true, headers: { origin: ADDRESS } };

export default defineConfig(({ command }) => ({
  // Relative addresses: the pages know neither their host nor what a proxy puts before /console/.
  base: command === "serve" ? "/console/" : "./",
  build: {
    outDir: "../bridge/server/console/built",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    // Nothing inline: the pages' policy allows files of their own only.
    assetsInlineLimit: 0,
    license: { fileName: "licenses.txt" }, // of what is packed into the pages
    chunkSizeWarningLimit: 2500, // the web SDK brings a resampler, loaded when a call begins
  },
  server: { proxy: { "^/(console/(api|record|watch)|local)/": BRIDGE } },
}));
