import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { openTestDatabase, type TestDatabase } from "../cluster/postgres/test-database.ts";
import type { DataReport } from "../gate/check-data.ts";
import { buildDomain, createStores, store } from "../gate/test-data.ts";
import { checkStoredData, type StoredDataOptions } from "./check-stored-data.ts";

const domain = buildDomain({ order: { count: "int32" } });
let database: TestDatabase;
let printed: string[];

beforeAll(async () => {
  database = await openTestDatabase();
  await createStores(database, domain);
});
afterAll(() => database[Symbol.asyncDispose]());
beforeEach(() => {
  printed = [];
  vi.spyOn(console, "log").mockImplementation((line: string) => void printed.push(line));
});
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

function run(options: StoredDataOptions): Promise<void> {
  return checkStoredData(domain, { databaseUrl: database.url(), eventsDatabaseUrl: undefined }, options);
}

test("sound data is said to be so", async () => {
  await store(database, { id: "1", count: 1 });
  await run({});
  expect(printed.join("\n")).toContain("main   market.orders: 1 rows");
  expect(printed.join("\n")).toContain("the stored data is sound");
  expect(process.exitCode).toBeUndefined();
});

test("findings make the exit code 1, and --json is one document", async () => {
  await store(database, { id: "2", count: "many" });
  await run({ json: true, all: true });
  expect(printed).toHaveLength(1);
  const report = JSON.parse(printed[0] ?? "") as DataReport;
  expect(report.findings.map(({ path, kind }) => `${path} ${kind}`)).toEqual([
    "count unparsable",
    "count column",
  ]);
  expect(process.exitCode).toBe(1);
});

test.each([
  [{ all: true, sample: "5" }, "give one of them"],
  [{ sample: "few" }, '--sample is "few"'],
  [{ seed: "-1" }, '--seed is "-1"'],
])("%o is refused", async (options, message) => {
  await expect(run(options)).rejects.toMatchObject({
    code: "invalid_argument",
    message: expect.stringContaining(message),
  });
});
