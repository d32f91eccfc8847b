import { globSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { expect, test } from "vitest";

const root = import.meta.dirname;

/** A folder may import from those before it, and from itself. Those of one row do not know each other. */
const rows = [
  ["error", "gen"],
  ["schema", "wire", "sql"],
  ["pbtable"],
  ["outbox", "inbox", "position"],
  ["service"],
  ["class"],
  ["flags"],
  ["command"],
  ["edge"],
  ["relay", "gateway"],
  ["project"],
  ["gate"],
  ["apply"],
  ["generate"],
  ["cluster"],
  ["cli"],
];

interface Import {
  readonly from: string;
  readonly to: string;
}

test("dependencies between folders point one way", () => {
  const forbidden = imports().filter(({ from, to }) => {
    const [source = "", target = ""] = [folderOf(from), folderOf(to)];
    return source !== "" && source !== target && rowOf(target) >= rowOf(source);
  });
  expect(forbidden).toEqual([]);
});

test("every folder has its place in the order", () => {
  const folders = new Set(globSync("*/**/*.ts", { cwd: root }).map(folderOf));
  expect([...folders].filter((folder) => rowOf(folder) < 0)).toEqual([]);
});

test("what generates the chassis' code needs none of it", () => {
  const all = imports();
  const reached = new Set([join("generate", "generate.ts")]);
  for (const from of reached) for (const { to } of all.filter((each) => each.from === from)) reached.add(to);
  expect(reached.size).toBeGreaterThan(5);
  expect([...reached].filter((path) => folderOf(path) === "gen")).toEqual([]);
});

test("process.env is read at the entry alone", () => {
  const readers = sources().filter((path) => /process\.env\b/.test(readFileSync(join(root, path), "utf8")));
  expect(readers.filter((path) => folderOf(path) !== "cli")).toEqual([]);
});

function sources(): string[] {
  return globSync("**/*.ts", { cwd: root, exclude: ["gen/**"] }).filter((path) => !isTest(path));
}

/** Tests and what helps them may reach everywhere. */
function isTest(path: string): boolean {
  return /\.test\.ts$|(^|\/)(test-[^/]+|throwaway-postgres)\.ts$/.test(path);
}

function imports(): Import[] {
  return sources().flatMap((from) =>
    [...readFileSync(join(root, from), "utf8").matchAll(/from "(\.[^"]+)"/g)].map(([, specifier = ""]) => ({
      from,
      to: relative(root, join(root, dirname(from), specifier)),
    })),
  );
}

function folderOf(path: string): string {
  return path.includes("/") ? (path.split("/")[0] ?? "") : "";
}

function rowOf(folder: string): number {
  return rows.findIndex((row) => row.includes(folder));
}
