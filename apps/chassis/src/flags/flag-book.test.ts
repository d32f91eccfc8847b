import { mkdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { openTestFolder, type TestFolder } from "../cluster/postgres/test-folder.ts";
import { fileFlags } from "./file-flags.ts";
import { FlagBook } from "./flag-book.ts";
import { flagDomain, flagMethod, flagOf, flagSaying, makeThing } from "./test-flags.ts";

const never = new AbortController().signal;
let folder: TestFolder;
let count = 0;
let path = "";

beforeAll(async () => {
  folder = await openTestFolder();
});
beforeEach(() => {
  path = join(folder.path, `flags-${++count}.json`);
});
afterAll(() => folder[Symbol.asyncDispose]());

const openBook = (file = path) => new FlagBook(flagDomain.methods, fileFlags(file));
const modeOf = (book: FlagBook) => book.modeOf(flagMethod(makeThing), "p").value;
const kinds = (book: FlagBook) => book.status.alarms.map(({ kind }) => kind);

test("a document that is no flags leaves those of before, until one is right again", async () => {
  await writeFile(path, flagSaying(makeThing, "async"));
  const book = openBook();
  expect(await book.look(never)).toBe(true);
  expect([modeOf(book), kinds(book)]).toEqual(["async", []]);
  for (const wrong of ['{"flags":', '{"flags":{"x":{}}}', "", "null"]) {
    await writeFile(path, wrong);
    expect(await book.look(never)).toBe(false);
    expect([modeOf(book), kinds(book)]).toEqual(["async", ["malformed"]]);
    // The alarm of a file that has not changed since stands.
    await book.look(never);
    expect(kinds(book)).toEqual(["malformed"]);
  }
  await writeFile(path, flagSaying(makeThing, "offloaded"));
  await book.look(never);
  expect([modeOf(book), kinds(book), book.gauges]).toEqual(["offloaded", [], { flags: 1, alarms: 0 }]);
});

test("a file that is not there is an alarm and no crash; one that goes away leaves its flags", async () => {
  const book = openBook();
  await book.look(never);
  expect([modeOf(book), kinds(book), book.status.known]).toEqual(["direct", ["unreadable"], false]);
  await writeFile(path, flagSaying(makeThing, "async"));
  await book.look(never);
  expect([modeOf(book), kinds(book), book.status.known]).toEqual(["async", [], true]);
  await rm(path);
  await book.look(never);
  expect([modeOf(book), kinds(book), book.status.known]).toEqual(["async", ["unreadable"], true]);
});

test("a file renamed into its place, and the swapped link of a config map, are seen", async () => {
  for (const [name, mode] of [
    ["one", "async"],
    ["two", "offloaded"],
  ] as const) {
    await mkdir(join(folder.path, name));
    await writeFile(join(folder.path, name, "flags.json"), flagSaying(makeThing, mode));
  }
  // As kubelet does it: flags.json -> ..data/flags.json, and ..data is swapped.
  const data = join(folder.path, "..data");
  const point = async (name: string) => {
    await symlink(name, `${data}_tmp`);
    await rename(`${data}_tmp`, data);
  };
  await point("one");
  await symlink("..data/flags.json", join(folder.path, "flags.json"));
  const book = openBook(join(folder.path, "flags.json"));
  await book.look(never);
  expect(modeOf(book)).toBe("async");
  await point("two");
  await book.look(never);
  expect(modeOf(book)).toBe("offloaded");
  await writeFile(path, flagSaying(makeThing, "direct"));
  await rename(path, join(folder.path, "two", "flags.json"));
  await book.look(never);
  expect([modeOf(book), book.modeOf(flagMethod(makeThing), "p").from]).toEqual(["direct", "flag"]);
});

test("a flag that comes to no variant is an alarm from the first request on, once", async () => {
  const flag = { variants: { a: "async" }, defaultVariant: "a", targeting: { fractional: [["nowhere", 1]] } };
  await writeFile(path, flagOf(makeThing, flag));
  const book = openBook();
  await book.look(never);
  expect(kinds(book)).toEqual([]);
  for (let request = 0; request < 3; request++) expect(modeOf(book)).toBe("direct");
  expect(book.status.alarms).toMatchObject([{ kind: "undecided", flag: makeThing }]);
});

test("a document with a thousand faults has one alarm each, and tells some of them", async () => {
  const one = { state: "ENABLED", variants: { a: "direct" }, defaultVariant: "a" };
  const flags = Object.fromEntries(
    Array.from({ length: 1_000 }, (_, index) => [`no.Such/Method${index}`, one]),
  );
  await writeFile(path, JSON.stringify({ flags }));
  const book = openBook();
  await book.look(never);
  expect([book.gauges.alarms, book.status.alarms.length]).toEqual([1_000, 50]);
});
