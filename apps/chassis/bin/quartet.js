#!/usr/bin/env node
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire, registerHooks } from "node:module";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const major = Number(process.versions.node.split(".")[0]);

if (major < 24) {
  runWithInstalledNode();
} else if (isCheckout()) {
  // A checkout runs its TypeScript as it is; generated code is made where it is missing or stale.
  registerHooks({
    resolve: (specifier, context, next) =>
      next(specifier, { ...context, conditions: [...context.conditions, "quartet-source"] }),
  });
  if (process.env.QUARTET_GENERATED !== "1") {
    const { generateChassisCode } = await import("../src/generate/generate.ts");
    await generateChassisCode();
    process.env.QUARTET_GENERATED = "1";
  }
  const { main } = await import("../src/cli/main.ts");
  await main(process.argv);
} else {
  const { main } = await import("../dist/cli/main.js");
  await main(process.argv);
}

/** Below node_modules Node refuses TypeScript, so an installed package runs its build. */
function isCheckout() {
  return (
    existsSync(join(here, "..", "src", "cli", "main.ts")) && !here.split(/[\\/]/).includes("node_modules")
  );
}

/** Runs this command again with the Node 24 that the `node` package installed beside it, whatever Node was found. */
function runWithInstalledNode() {
  const node = findInstalledNode();
  if (node === undefined) {
    console.error(
      `quartet needs Node 24; this is ${process.version}.\nInstall it beside the project: npm install node@24`,
    );
    process.exit(1);
  }
  const path = `${dirname(node)}${delimiter}${process.env.PATH ?? ""}`;
  const result = spawnSync(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: "inherit",
    env: { ...process.env, PATH: path },
  });
  process.exit(result.status ?? 1);
}

function findInstalledNode() {
  for (const from of [join(process.cwd(), "package.json"), import.meta.url]) {
    try {
      const binary = join(dirname(createRequire(from).resolve("node/package.json")), "bin", "node");
      if (existsSync(binary)) return binary;
    } catch {
      // Not installed from there.
    }
  }
  return undefined;
}
