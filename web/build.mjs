// Builds the page's program and style into the package.
import { build } from "esbuild";

await build({
  entryPoints: ["src/explorer.ts", "src/explorer.css"],
  outdir: "../src/narrows/explorer/built",
  bundle: true,
  minify: true,
  format: "iife",
  target: ["es2022", "chrome110", "firefox115", "safari16.4"],
  charset: "ascii", // the page may not close its own script element, nor depend on how a file is read
  legalComments: "none",
  logLevel: "info",
});
