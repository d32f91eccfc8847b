import { createHash, randomUUID } from "node:crypto";
import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { QuartetError } from "../../error/quartet-error.ts";
import { errorCodeOf, unlessMissing } from "./error-code-of.ts";
import { pause } from "./pause.ts";
import { readProcessStart } from "./process-identity.ts";

/** Lost races against other starts after which we give up, and the pause between them. */
const maxAttempts = 50;
const pauseMs = 10;

/**
 * Makes the caller the only user of a data folder until the lock is disposed. The lock of a process that is gone
 * (killed, or its pid taken by another process) is taken over.
 *
 * @throws QuartetError `failed_precondition`, naming the pid, when another run uses the folder.
 */
export async function openDataLock(dataDir: string): Promise<AsyncDisposable> {
  const path = join(dataDir, "lock");
  const own = `${process.pid} ${(await readProcessStart(process.pid)) ?? "unknown"} ${randomUUID()}\n`;
  const holder = await takeLock(path, own);
  if (holder !== undefined) throw inUse(dataDir, holder);
  return { [Symbol.asyncDispose]: () => release(path, own) };
}

/**
 * Writes `own` into a lock file that is not there or whose holder is gone. Who replaces the lock of a holder that is gone
 * first takes the lock of doing so, named for that holder, and looks again: so nobody ever replaces a lock that is held.
 *
 * @returns the content of a lock that somebody holds; undefined when it is ours
 */
async function takeLock(path: string, own: string): Promise<string | undefined> {
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    if (await tryCreate(path, own)) return undefined;
    const holder = await unlessMissing(readFile(path, "utf8"));
    if (holder === undefined) continue;
    if (await isHeld(holder)) return holder;
    if (await replaceLock(path, holder, own)) return undefined;
    await pause(pauseMs);
  }
  throw new QuartetError("unavailable", `The lock ${path} could not be had in ${maxAttempts} attempts.`);
}

/** False when somebody else is about to replace it, or has. */
async function replaceLock(path: string, gone: string, own: string): Promise<boolean> {
  const claim = `${path}.after-${createHash("sha256").update(gone).digest("hex").slice(0, 16)}`;
  if ((await takeLock(claim, own)) !== undefined) return false;
  try {
    if ((await unlessMissing(readFile(path, "utf8"))) !== gone) return false;
    const draft = `${path}.${randomUUID()}`;
    await writeFile(draft, own, { mode: 0o600 });
    await rename(draft, path);
    return true;
  } finally {
    await release(claim, own);
  }
}

/** Linking a complete file is atomic: nobody ever reads half a lock. */
async function tryCreate(path: string, content: string): Promise<boolean> {
  const draft = `${path}.${randomUUID()}`;
  await writeFile(draft, content, { mode: 0o600 });
  try {
    await link(draft, path);
    return true;
  } catch (thrown) {
    if (errorCodeOf(thrown) === "EEXIST") return false;
    throw thrown;
  } finally {
    await rm(draft, { force: true });
  }
}

async function isHeld(content: string): Promise<boolean> {
  const [pid, start] = content.split(/\s+/);
  const number = Number(pid);
  if (!Number.isSafeInteger(number) || number <= 0) return false;
  const running = await readProcessStart(number);
  return running !== undefined && (start === "unknown" || running === start);
}

async function release(path: string, own: string): Promise<void> {
  const content = await unlessMissing(readFile(path, "utf8"));
  if (content === own) await rm(path, { force: true });
}

function inUse(dataDir: string, holder: string): QuartetError {
  const pid = holder.split(/\s+/)[0];
  return new QuartetError("failed_precondition", `${dataDir} is in use by process ${pid}.`, {
    fix: `Stop process ${pid} first, or use another data folder.`,
  });
}
