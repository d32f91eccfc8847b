import { randomUUID } from "node:crypto";
import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { QuartetError } from "../../error/quartet-error.ts";
import { errorCodeOf, unlessMissing } from "./error-code-of.ts";
import { readProcessStart } from "./process-identity.ts";

/** Lost races against other starts after which we give up. */
const maxAttempts = 20;

/**
 * Makes the caller the only user of a data folder until the lock is disposed. The lock of a process that is gone
 * (killed, or its pid taken by another process) is taken over.
 *
 * @throws QuartetError `failed_precondition`, naming the pid, when another run uses the folder.
 */
export async function openDataLock(dataDir: string): Promise<AsyncDisposable> {
  const path = join(dataDir, "lock");
  const own = `${process.pid} ${(await readProcessStart(process.pid)) ?? "unknown"} ${randomUUID()}\n`;
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    if (await tryCreate(path, own)) return { [Symbol.asyncDispose]: () => release(path, own) };
    const holder = await unlessMissing(readFile(path, "utf8"));
    if (holder === undefined) continue;
    if (await isHeld(holder)) throw inUse(dataDir, holder);
    await removeStale(path, holder);
  }
  throw new QuartetError("unavailable", `The lock ${path} could not be had in ${maxAttempts} attempts.`);
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

/** Another start may have replaced the stale lock since we read it: what we took away wrongly is put back. */
async function removeStale(path: string, stale: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  if ((await unlessMissing(rename(path, aside).then(() => true))) === undefined) return;
  try {
    if ((await readFile(aside, "utf8")) !== stale) await link(aside, path);
  } finally {
    await rm(aside, { force: true });
  }
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
