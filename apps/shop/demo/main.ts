import { formatSheet } from "./balance/format-sheet.ts";
import { openDemoCluster } from "./cluster/demo-cluster.ts";
import { type DemoOptions, parseOptions, usage } from "./options.ts";
import { type DayReport, runDemo } from "./run-demo.ts";

/** Nothing of it may take longer than this, whatever happens. */
const wholeRunLimitMs = 45 * 60_000;

process.exitCode = await main(process.argv.slice(2));

/** @returns the exit code: 0 balances, 1 does not, 2 for a wrong command line, 130 after Ctrl-C. */
async function main(args: readonly string[]): Promise<number> {
  let options: DemoOptions | undefined;
  try {
    options = parseOptions(args);
  } catch (error) {
    console.error(`${messageOf(error)}\n\n${usage}`);
    return 2;
  }
  if (options === undefined) {
    console.log(usage);
    return 0;
  }
  return runUntilStopped(options);
}

async function runUntilStopped(options: DemoOptions): Promise<number> {
  const stopped = new AbortController();
  const stop = () => stopped.abort();
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  try {
    return await run(options, AbortSignal.any([stopped.signal, AbortSignal.timeout(wholeRunLimitMs)]));
  } catch (error) {
    console.error(stopped.signal.aborted ? "Stopped." : messageOf(error));
    return stopped.signal.aborted ? 130 : 1;
  } finally {
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
  }
}

async function run(options: DemoOptions, signal: AbortSignal): Promise<number> {
  console.error(`seed ${options.seed}; starting a cluster`);
  await using cluster = await openDemoCluster(signal);
  if (options.keep) cluster.keep("all");
  try {
    const report = await runDemo(cluster, options, signal);
    const balances = report.checks.every((check) => check.balances);
    if (!balances) cluster.keep("log");
    printReport(report, options, balances);
    if (!balances || options.keep) console.log(`log of the cluster: ${cluster.logPath}`);
    if (options.keep) console.log(`data of the cluster: ${cluster.stateDir}`);
    if (options.json) console.log(JSON.stringify({ seed: options.seed, balances, ...report }));
    return balances ? 0 : 1;
  } catch (error) {
    if (!signal.aborted) {
      cluster.keep("log");
      console.error(`log of the cluster: ${cluster.logPath}`);
    }
    throw error;
  }
}

function printReport(report: DayReport, options: DemoOptions, balances: boolean): void {
  const { requests, retried, tradeSeconds, kills, answers } = report;
  const away = kills.map(({ target, secondsAway }) => `${target} ${secondsAway.toFixed(1)} s`);
  const counts = Object.entries(answers).sort(([a], [b]) => a.localeCompare(b));
  console.log(`\n${requests} requests in ${tradeSeconds.toFixed(0)} s, ${retried} attempts retried`);
  console.log(`killed, and back after: ${away.join(", ") || "nothing"}`);
  console.log(`answers: ${counts.map(([what, count]) => `${what} × ${count}`).join(", ")}\n`);
  console.log(formatSheet(report.checks));
  console.log(`\n${balances ? "It balances." : "It does not balance."} Seed ${options.seed}.`);
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message} ${error.cause.message}` : error.message;
}
