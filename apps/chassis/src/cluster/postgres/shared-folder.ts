import { chmod, lstat, mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { QuartetError } from "../../error/quartet-error.ts";
import { errorCodeOf, unlessMissing } from "./error-code-of.ts";
import { isReachable } from "./searchable-path.ts";
import type { UnprivilegedUser } from "./unprivileged-user.ts";

/**
 * A folder outside of the checkout, for what PostgreSQL cannot reach inside of it. It belongs to the caller, nobody
 * else can write to it, and its path is the same in every run of the same caller.
 *
 * @throws QuartetError `failed_precondition` when there is no place for one, or another user made one by that name.
 */
export async function openSharedFolder(user: UnprivilegedUser | undefined): Promise<string> {
  const caller = process.getuid?.() ?? 0;
  const reasons: unknown[] = [];
  // /var/tmp first: unlike /tmp it survives a reboot, and unlike TMPDIR it does not change between shells.
  for (const base of new Set(["/var/tmp", tmpdir(), "/tmp"])) {
    try {
      const folder = join(base, `quartet-postgres-${caller}`);
      await makeOwnFolder(folder, caller);
      if (await isReachable(folder, user)) return folder;
    } catch (reason) {
      reasons.push(reason);
    }
  }
  throw new QuartetError(
    "failed_precondition",
    "There is no folder that both the caller and PostgreSQL can use.",
    {
      cause: new AggregateError(reasons),
      fix: "Make /var/tmp writable and searchable for all (mode 1777), or run as an ordinary user.",
    },
  );
}

/** An attacker may have made the folder first in a place that all can write to: trust it only when it is ours. */
async function makeOwnFolder(folder: string, caller: number): Promise<void> {
  try {
    await mkdir(folder, { mode: 0o755 });
    await chmod(folder, 0o755); // whatever the umask
  } catch (thrown) {
    if (errorCodeOf(thrown) !== "EEXIST") throw thrown;
  }
  const entry = await unlessMissing(lstat(folder));
  if (entry?.isDirectory() === true && entry.uid === caller && (entry.mode & 0o022) === 0) return;
  throw new QuartetError(
    "failed_precondition",
    `${folder} is not a folder that only the caller can write to.`,
    {
      fix: `Remove ${folder}.`,
    },
  );
}
