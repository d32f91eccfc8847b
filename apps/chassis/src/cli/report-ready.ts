import { flushCompileCache } from "node:module";

/** What a process tells whoever started it once it works. */
export interface ReadyReport {
  readonly kind: "ready";
  readonly class: string;
  readonly port: number | undefined;
  readonly database: string;
  readonly reasons: readonly string[];
}

/** Tells the parent process, when there is one that listens. */
export function reportReady(report: ReadyReport): void {
  process.send?.(report);
  // Else the cache is written at the exit alone, which a process that is killed does not come to.
  flushCompileCache();
}

/** A database URL without its password, for people. */
export function describeDatabase(url: string | undefined): string {
  if (url === undefined) return "none";
  const { username, hostname, port, pathname } = new URL(url);
  return `${username}@${hostname}:${port || "5432"}${pathname}`;
}
