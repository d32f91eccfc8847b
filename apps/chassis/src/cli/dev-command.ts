import { existsSync } from "node:fs";
import { rename, rm, writeFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import type { Command } from "commander";
import { formatCurl } from "../cluster/format-curl.ts";
import { formatLogLine } from "../cluster/format-log-line.ts";
import { formatTable } from "../cluster/format-table.ts";
import { type LocalCluster, openLocalCluster } from "../cluster/local-cluster.ts";
import type { ClusterServers } from "../cluster/prepare-databases.ts";
import { type Edit, watchSources } from "../cluster/watch-sources.ts";
import { QuartetError } from "../error/quartet-error.ts";
import { generateCode } from "../generate/generate.ts";
import type { Project } from "../project/project.ts";
import type { Domain } from "../service/domain.ts";
import { freshDomain, projectOf } from "./project-option.ts";
import { aborted, runUntilStopped } from "./run-until-stopped.ts";

interface DevOptions {
  readonly only?: string;
  readonly fresh?: boolean;
  readonly json?: boolean;
  readonly watch: boolean;
  readonly state?: string;
  readonly primaryUrl?: string;
  readonly replicaUrl?: string;
  readonly eventsUrl?: string;
}

/** Variables of this process that its children get. */
const inheritedNames = [
  "PATH",
  "HOME",
  "TMPDIR",
  "LANG",
  "TZ",
  "NODE_OPTIONS",
  "NODE_EXTRA_CA_CERTS",
  "QUARTET_LOG_LEVEL",
  "QUARTET_EXCEPTIONS",
];

export function registerDev(program: Command): void {
  program
    .command("dev")
    .description(
      "run everything on this machine: PostgreSQL from npm, one process per class, relay and gateway",
    )
    .option("--only <class>", "crud: the day-one monolith, one process on one database")
    .option("--fresh", "erase all local data first")
    .option("--json", "print what runs where as one JSON line when ready; logs go to standard error")
    .option("--no-watch", "do not restart on edits")
    .option("--state <folder>", "folder of data, ports and secrets (default: .quartet of the project)")
    .option(
      "--primary-url <url>",
      "use this server as the primary (an owner's URL) instead of PostgreSQL from npm",
    )
    .option("--replica-url <url>", "with --primary-url: a replica of it")
    .option("--events-url <url>", "with --primary-url: a server for the events database")
    .action(async (options: DevOptions) => {
      if (options.only !== undefined && options.only !== "crud") {
        throw new QuartetError("invalid_argument", `--only ${options.only}: only crud runs by itself.`);
      }
      await runUntilStopped((signal) => runDev(projectOf(program), options, signal));
    });
}

async function runDev(project: Project, options: DevOptions, signal: AbortSignal): Promise<void> {
  const stateDir = options.state ?? project.stateDir;
  const print = createPrinter(options.json === true);
  const domain = await freshDomain(project);
  const flagsFile = findFlagsFile(project);
  const state = { cluster: undefined as LocalCluster | undefined };
  const publish = () => {
    if (state.cluster !== undefined) void publishTable(stateDir, state.cluster);
  };
  await using cluster = await openLocalCluster({
    project,
    domain,
    stateDir,
    form: options.only === "crud" ? "crud" : "full",
    fresh: options.fresh === true,
    servers: serversOf(options),
    script: process.argv[1] ?? "",
    inherited: inheritedVariables(flagsFile),
    log: print.line,
    onProgress: print.progress,
    onChange: publish,
    signal,
  });
  state.cluster = cluster;
  await publishTable(stateDir, cluster);
  // Before anybody is told that it is ready: an edit right after that counts.
  using _watching = options.watch ? await watchProject(project, cluster, print.progress) : undefined;
  if (options.json) process.stdout.write(`${JSON.stringify(cluster.table())}\n`);
  else console.log(`\n${formatTable(cluster.table())}\n\n${suggestTries(domain, cluster, flagsFile)}\n`);
  await aborted(signal);
  print.progress("stopping");
  await rm(join(stateDir, "cluster.json"), { force: true });
}

let published = 0;

/** Where scripts find the table as it is now: pids change when a process is started again. */
async function publishTable(stateDir: string, cluster: LocalCluster): Promise<void> {
  const file = join(stateDir, "cluster.json");
  const next = `${file}.${++published}`;
  await writeFile(next, JSON.stringify(cluster.table(), null, 2), { mode: 0o600 });
  await rename(next, file);
}

function serversOf(options: DevOptions): ClusterServers | undefined {
  const { primaryUrl, replicaUrl, eventsUrl } = options;
  if (primaryUrl === undefined) {
    if (replicaUrl === undefined && eventsUrl === undefined) return undefined;
    throw new QuartetError("invalid_argument", "--replica-url and --events-url need --primary-url.");
  }
  return { primary: primaryUrl, replica: replicaUrl, events: eventsUrl };
}

/** Flag definitions of the processes: QUARTET_FLAGS, else the project's flags.json where there is one. */
function findFlagsFile(project: Project): string | undefined {
  const named = process.env["QUARTET_FLAGS"]?.trim();
  if (named) return resolve(named);
  const own = join(project.root, "flags.json");
  return existsSync(own) ? own : undefined;
}

function inheritedVariables(flagsFile: string | undefined): Record<string, string> {
  const entries = inheritedNames.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  const flags = flagsFile === undefined ? {} : { QUARTET_FLAGS: flagsFile };
  return { ...Object.fromEntries(entries), ...flags, QUARTET_GENERATED: "1" };
}

async function watchProject(
  project: Project,
  cluster: LocalCluster,
  progress: (what: string) => void,
): Promise<Disposable> {
  let last: Promise<void> = Promise.resolve();
  return watchSources({ ...project, project: project.root }, (edits, files) => {
    last = last
      .then(() => followEdits(project, cluster, edits, files, progress))
      .catch((error: unknown) =>
        progress(`not restarted: ${error instanceof Error ? error.message : error}`),
      );
  });
}

async function followEdits(
  project: Project,
  cluster: LocalCluster,
  edits: ReadonlySet<Edit>,
  files: readonly string[],
  progress: (what: string) => void,
): Promise<void> {
  const began = Date.now();
  progress(`${files.join(", ")} changed`);
  if (edits.has("protos")) {
    await generateCode(project);
    await cluster.apply();
    progress("generated code and applied the schema");
  }
  const names = await cluster.restart(edits.has("protos") || edits.has("config") ? "all" : "handlers");
  progress(`restarted ${names.join(", ")} in ${Date.now() - began} ms`);
}

/** Lines to paste: the domain's examples at the door of the cluster. */
function suggestTries(domain: Domain, cluster: LocalCluster, flagsFile: string | undefined): string {
  const rows = cluster.table();
  const door = rows.find((row) => row.name === "gateway") ?? rows.find((row) => row.name === "crud");
  const lines = domain.examples.map((example) => `  ${formatCurl(example, door?.url ?? "")}`);
  const flags =
    flagsFile === undefined
      ? []
      : [
          "Change modes while it runs:",
          `  edit ${relative(process.cwd(), flagsFile)}, and look at what counts: quartet routes`,
        ];
  return ["Try it:", ...lines, ...flags].join("\n");
}

function createPrinter(json: boolean) {
  const out = json ? process.stderr : process.stdout;
  const color = out.isTTY === true;
  const places = new Map<string, number>();
  const line = (name: string, text: string) => {
    const place = places.get(name) ?? places.size;
    places.set(name, place);
    out.write(`${formatLogLine(name, text, place, color)}\n`);
  };
  return { line, progress: (what: string) => line("quartet", what) };
}
