import { join } from "node:path";
import { QuartetError } from "../../error/quartet-error.ts";
import { copyPostgresPackage } from "./copied-package.ts";
import { findPostgresPackage, type PostgresPackage } from "./postgres-package.ts";
import { runProgram } from "./run-program.ts";
import { isReachable } from "./searchable-path.ts";
import { openSharedFolder } from "./shared-folder.ts";
import type { UnprivilegedUser } from "./unprivileged-user.ts";

/** Programs that the user PostgreSQL runs as can execute. */
export interface PostgresBinaries {
  readonly majorVersion: string;
  readonly initdb: string;
  readonly postgres: string;
}

/**
 * The installed PostgreSQL where the user can run it, else a copy of it that the user can run: below a folder that only
 * root may enter, or when npm ran no install scripts.
 *
 * @throws QuartetError `failed_precondition` when it is not installed or does not run here.
 */
export async function openPostgresBinaries(
  user: UnprivilegedUser | undefined,
  signal?: AbortSignal,
): Promise<PostgresBinaries> {
  const found = await findPostgresPackage();
  const folder = (await isUsable(found, user))
    ? found.folder
    : await copyPostgresPackage(found, await openSharedFolder(user));
  const binaries = {
    majorVersion: found.version.split(".")[0] ?? "",
    initdb: join(folder, "bin", "initdb"),
    postgres: join(folder, "bin", "postgres"),
  };
  await checkRuns(binaries.postgres, user, signal);
  return binaries;
}

/** npm creates files by the umask, so that folders which can be entered may still hold files which cannot be read. */
async function isUsable(found: PostgresPackage, user: UnprivilegedUser | undefined): Promise<boolean> {
  if (!found.linked) return false;
  const programs = ["initdb", "postgres"].map((name) => join(found.folder, "bin", name));
  const data = ["lib", "lib/postgresql", "share/postgresql/postgresql.conf.sample"];
  const libraries = found.links.map((link) => link.target);
  const checks = [
    ...programs.map((path) => isReachable(path, user, true)),
    ...[...data, ...libraries].map((path) => isReachable(join(found.folder, path), user)),
  ];
  return (await Promise.all(checks)).every(Boolean);
}

/** Finds a missing system library, a mount without `exec` and a forbidden change of user before they look like ours. */
async function checkRuns(postgres: string, user: UnprivilegedUser | undefined, signal?: AbortSignal) {
  try {
    await runProgram(postgres, ["--version"], { user, timeoutMs: 20_000, signal });
  } catch (cause) {
    if (cause instanceof QuartetError && cause.code === "canceled") throw cause;
    const as = user === undefined ? "" : ` as user ${user.uid}`;
    throw new QuartetError("failed_precondition", `PostgreSQL does not run here${as}: ${messageOf(cause)}`, {
      cause,
      fix: "Mend what the message says, or set DATABASE_URL to a PostgreSQL 18 of your own.",
    });
  }
}

function messageOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  return thrown.cause instanceof Error ? `${thrown.message} (${thrown.cause.message})` : thrown.message;
}
