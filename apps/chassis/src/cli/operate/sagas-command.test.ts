import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { createRegistry } from "@bufbuild/protobuf";
import { anyPack, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { applySchema } from "../../apply/apply-schema.ts";
import { createTestLogin } from "../../apply/test-domain.ts";
import { openTestDatabase, type TestDatabase } from "../../cluster/postgres/test-database.ts";
import { openTestFolder } from "../../cluster/postgres/test-folder.ts";
import { SagaInstanceSchema, SagaStatus, SagaStepStatus } from "../../gen/quartet/v1/saga_pb.ts";
import { TableWriter } from "../../pbtable/table-writer.ts";
import { tableOf } from "../../schema/table/table.ts";
import { make } from "../../schema/test-schema.ts";
import { defineDomain } from "../../service/domain.ts";
import { StartedSchema, tripFile } from "../../service/saga/test-saga.ts";
import { main } from "../main.ts";

const domain = defineDomain({ name: "trips", schema: createRegistry(tripFile), services: [], writes: [] });
const stack = new AsyncDisposableStack();
let database: TestDatabase;
let folder: string;

beforeAll(async () => {
  database = stack.use(await openTestDatabase());
  await applySchema(domain, { databaseUrl: database.url(), eventsDatabaseUrl: database.url() });
  folder = stack.use(await openTestFolder()).path;
  const from = (path: string) => pathToFileURL(join(import.meta.dirname, path)).href;
  await writeFile(
    join(folder, "quartet.config.ts"),
    `import { createRegistry } from "${import.meta.resolve("@bufbuild/protobuf")}";
import { defineDomain } from "${from("../../service/domain.ts")}";
import { tripFile } from "${from("../../service/saga/test-saga.ts")}";
export default defineDomain({ name: "trips", schema: createRegistry(tripFile), services: [], writes: [] });`,
  );
  const login = await createTestLogin(database, "quartet_crud", "sagas_crud");
  vi.stubEnv("DATABASE_URL", database.url(login));
  const runs = [
    ["one", SagaStatus.COMPLETED],
    ["two", SagaStatus.STUCK],
  ] as const;
  for (const [instanceKey, status] of runs) {
    await new TableWriter<typeof SagaInstanceSchema>(
      tableOf(SagaInstanceSchema),
      database.pool,
      domain.registry,
    ).insert({
      ...{ saga: "trip", instanceKey, status, updateTime: timestampFromDate(new Date()) },
      start: anyPack(StartedSchema, make(StartedSchema, { id: instanceKey })),
      lastError: "book: The desk is closed.",
      steps: [{ name: "book", status: SagaStepStatus.STUCK, run: 6, lastError: "The desk is closed." }],
    });
  }
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await stack.disposeAsync();
});
afterEach(() => vi.restoreAllMocks());

/** Runs `quartet sagas` in this process. Gives its exit code and what it printed. */
async function sagas(...args: string[]) {
  const before = process.exitCode;
  process.exitCode = 0;
  const lines: unknown[] = [];
  for (const stream of ["log", "error"] as const) {
    vi.spyOn(console, stream).mockImplementation((line: unknown) => void lines.push(line));
  }
  try {
    await main(["node", "quartet", "--project", folder, "sagas", ...args]);
    return { code: Number(process.exitCode), text: lines.join("\n") };
  } finally {
    process.exitCode = before;
  }
}

test("runs are listed, those that moved last first, and shown with their steps", async () => {
  const all = await sagas("list");
  expect(all.text.split("\n").map((line) => line.split(/ {2,}/).slice(0, 3))).toEqual([
    ["SAGA", "KEY", "STATUS"],
    ["trip", "two", "stuck"],
    ["trip", "one", "completed"],
  ]);
  const stuck = await sagas("list", "--status", "stuck", "--json");
  expect(JSON.parse(stuck.text)).toMatchObject({ instanceKey: "two", start: { id: "two" } });
  expect((await sagas("show", "trip", "two")).text).toMatch(/book\s+stuck\s+6\s+The desk is closed\./);
  expect((await sagas("list", "--status", "lost")).code).not.toBe(0);
  expect((await sagas("show", "trip", "three")).text).toContain("There is no run three of a saga trip.");
});

test("a run that is stuck is tried again, another is not", async () => {
  expect((await sagas("retry", "trip", "one")).text).toContain("is not stuck");
  expect(await sagas("retry", "trip", "two")).toEqual({ code: 0, text: "two is tried again" });
  const published = await database.query("select type, payload from quartet.outbox");
  expect(published).toEqual([
    { type: "quartet.v1.SagaRetry", payload: { saga: "trip", instanceKey: "two" } },
  ]);
});
