import { chown, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { QuartetError } from "../../error/quartet-error.ts";
import { unlessMissing } from "./error-code-of.ts";
import { superuser } from "./local-server.ts";
import { buildFolder } from "./partial-folder.ts";
import type { PostgresBinaries } from "./postgres-binaries.ts";
import { runProgram } from "./run-program.ts";
import type { UnprivilegedUser } from "./unprivileged-user.ts";

/** What a new data directory needs. */
export interface InitialiseOptions {
  readonly binaries: PostgresBinaries;
  readonly user: UnprivilegedUser | undefined;
  readonly password: string;
  readonly signal?: AbortSignal | undefined;
}

/** Ten times what it takes on a slow laptop. */
const initdbTimeoutMs = 60_000;

/**
 * Makes a data directory with initdb, unless there is one already. UTF-8, code point order, the same on every system.
 *
 * @throws QuartetError `failed_precondition` when the existing one is of another major version.
 */
export async function initialiseServer(dataDir: string, options: InitialiseOptions): Promise<void> {
  const existing = await readMajorVersion(dataDir);
  if (existing === undefined) return await buildFolder(dataDir, (draft) => runInitdb(draft, options));
  if (existing === options.binaries.majorVersion) return;
  throw new QuartetError(
    "failed_precondition",
    `${dataDir} is of PostgreSQL ${existing}, installed is ${options.binaries.majorVersion}.`,
    { fix: "Start with fresh data, or install the version the data is of." },
  );
}

/** The major version a data directory is of; `undefined` when it is none. */
export async function readMajorVersion(dataDir: string): Promise<string | undefined> {
  return (await unlessMissing(readFile(join(dataDir, "PG_VERSION"), "utf8")))?.trim();
}

async function runInitdb(dataDir: string, options: InitialiseOptions): Promise<void> {
  const { binaries, user, signal } = options;
  await mkdir(dataDir, { mode: 0o700 });
  const passwordFile = `${dataDir}.password`;
  await writeFile(passwordFile, `${options.password}\n`, { mode: 0o600 });
  try {
    if (user !== undefined) {
      for (const path of [dataDir, passwordFile]) await chown(path, user.uid, user.gid);
    }
    const args = [...initdbArguments, `--pwfile=${passwordFile}`, "-D", dataDir];
    await runProgram(binaries.initdb, args, { user, signal, timeoutMs: initdbTimeoutMs });
  } finally {
    await rm(passwordFile, { force: true });
  }
}

const initdbArguments = [
  `--username=${superuser}`,
  "--encoding=UTF8",
  "--locale=C",
  "--locale-provider=builtin",
  "--builtin-locale=C.UTF-8",
  "--auth=scram-sha-256",
  "--no-instructions",
  "--no-sync", // a crash of the machine within the first seconds costs an empty database
];
