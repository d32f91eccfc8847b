#!/usr/bin/env node
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
// As a whole: an older Node, which this file must still run on, lacks some of its names.
import nodeModule from "node:module";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const neededMajor = 24;

if (Number(process.versions.node.split(".")[0]) < neededMajor) {
  runWithInstalledNode();
} else if (isCheckout()) {
  // Half of what a start costs is making JavaScript of TypeScript.
  nodeModule.enableCompileCache();
  // A checkout runs its TypeScript as it is; generated code is made where it is missing or stale.
  nodeModule.registerHooks({
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

/**
 * Runs this command again with the Node 24 that the `node` package installed beside it, whatever Node was found. The
 * child has a session of its own, so that Ctrl-C reaches it once, through here; and a channel, so that it stops when
 * this process is killed.
 */
function runWithInstalledNode() {
  const node = findInstalledNode();
  if (node === undefined) {
    console.error(
      `quartet needs Node ${neededMajor}, this is ${process.version}: install it beside the project with "npm install node@${neededMajor}".`,
    );
    process.exit(1);
  }
  const path = `${dirname(node)}${delimiter}${process.env.PATH ?? ""}`;
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: ["inherit", "inherit", "inherit", "ipc"],
    detached: true,
    env: { ...process.env, PATH: path },
  });
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
  const forward = (/** @type {NodeJS.Signals} */ signal) => child.kill(signal);
  for (const signal of signals) process.on(signal, forward);
  child.once("error", (error) => {
    console.error(`quartet: ${node} does not run: ${error.message}`);
    process.exitCode = 1;
  });
  child.once("exit", (code, signal) => {
    for (const name of signals) process.off(name, forward);
    if (signal === null) process.exitCode = code ?? 1;
    else process.kill(process.pid, signal);
  });
}

function findInstalledNode() {
  for (const from of [join(process.cwd(), "package.json"), import.meta.url]) {
    try {
      const manifest = nodeModule.createRequire(from).resolve("node/package.json");
      const major = Number.parseInt(JSON.parse(readFileSync(manifest, "utf8")).version, 10);
      const binary = join(dirname(manifest), "bin", "node");
      if (major >= neededMajor && existsSync(binary)) return binary;
    } catch {
      // Not installed from there.
    }
  }
  return undefined;
}
