import { readFile, stat } from "node:fs/promises";
import { QuartetError } from "../../error/quartet-error.ts";
import { unlessMissing } from "./error-code-of.ts";

/** The numeric user and group that PostgreSQL runs as. */
export interface UnprivilegedUser {
  readonly uid: number;
  readonly gid: number;
}

const preferred = ["nobody", "daemon"];

/**
 * Whom PostgreSQL has to run as, because it refuses to run as root; `undefined` when the caller is an ordinary user
 * and PostgreSQL runs as the caller. The owner of existing data is kept, so that data survives a change of the caller.
 *
 * initdb looks its user up by uid, so a number without an entry in the password file would not do.
 *
 * @throws QuartetError `failed_precondition` when the caller is root and the system knows no other user.
 */
export async function findUnprivilegedUser(existingData: string): Promise<UnprivilegedUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const owner = await unlessMissing(stat(existingData));
  if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  const users = parsePasswordFile((await unlessMissing(readFile("/etc/passwd", "utf8"))) ?? "");
  const found = preferred.map((name) => users.get(name)).find((user) => user !== undefined);
  const user = found ?? users.values().next().value;
  if (user !== undefined) return user;
  throw new QuartetError(
    "failed_precondition",
    "PostgreSQL refuses to run as root; there is no other user.",
    {
      fix: "Run as an ordinary user, or add one: useradd --system --no-create-home nobody",
    },
  );
}

/** Users by name, without root; see passwd(5). macOS writes nobody as -2, which no portable call accepts. */
function parsePasswordFile(text: string): Map<string, UnprivilegedUser> {
  const users = new Map<string, UnprivilegedUser>();
  for (const line of text.split("\n")) {
    const [name, , uid, gid] = line.split(":");
    if (name === undefined || !isPlainId(uid) || !isPlainId(gid) || Number(uid) === 0) continue;
    users.set(name, { uid: Number(uid), gid: Number(gid) });
  }
  return users;
}

function isPlainId(text: string | undefined): text is string {
  return text !== undefined && /^\d{1,9}$/.test(text);
}
