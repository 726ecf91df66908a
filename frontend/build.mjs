// Builds every frontend/src/*.js (an ES module a page) and src/app.css into taxonomy_app/web/static/built.
// Django's manifest storage adds the content hash to the names when the static files are collected.
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRequire } from "node:module";
import * as esbuild from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const source = join(here, "src");
const built = join(here, "..", "taxonomy_app", "web", "static", "built");
const watch = process.argv.includes("--watch");

const options = {
  entryPoints: readdirSync(source)
    .filter((name) => name.endsWith(".js"))
    .map((name) => join(source, name)),
  outdir: built,
  bundle: true,
  splitting: true,
  format: "esm",
  target: ["es2022", "chrome109", "firefox115", "safari16.4"],
  chunkNames: "chunks/[name]-[hash]",
  minify: !watch,
  // Without the map's comment: the manifest storage would look for the map under its hashed name.
  sourcemap: false,
  legalComments: "linked",
  logLevel: "info",
};

function styles() {
  const cli = join(dirname(createRequire(import.meta.url).resolve("@tailwindcss/cli/package.json")), "dist", "index.mjs");
  const result = spawnSync(
    process.execPath,
    [cli, "--input", join(source, "app.css"), "--output", join(built, "app.css"), ...(watch ? [] : ["--minify"])],
    { cwd: here, stdio: "inherit" },
  );
  if (result.status !== 0) process.exit(result.status ?? 1);
}

rmSync(built, { recursive: true, force: true });
mkdirSync(built, { recursive: true });
if (watch) {
  styles();
  const context = await esbuild.context(options);
  await context.watch();
} else {
  styles();
  await esbuild.build(options);
}
