import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../../cluster/postgres/test-database.ts";
import { readCaptureRecord } from "./capture-record.ts";
import { examineSource } from "./examine-source.ts";
import { repairReasons } from "./repair-reason.ts";
import type { OutboxSource } from "./run-capture.ts";
import { readSourceReport } from "./source-report.ts";
import { applyTestSchema, dropSlot, publish, startCapture } from "./test-capture.ts";

let database: TestDatabase;
let source: OutboxSource;

beforeAll(async () => {
  database = await openTestDatabase();
  await applyTestSchema(database.url());
  source = { name: "main", url: database.url(), slot: "quartet_test_report" };
});
afterAll(() => database[Symbol.asyncDispose]());

const read = () => readSourceReport(source, () => readCaptureRecord(database.pool, source.name));

test("before anybody captures there is no verdict", async () => {
  expect(await read()).toMatchObject({ slot: undefined, verdict: undefined, lastRepair: undefined });
});

test("a capture that goes on is well, at every moment", async () => {
  await publish(source.url, 3);
  await using capture = startCapture(source, database.pool, 1n);
  await capture.streaming;
  const publishing = publish(source.url, 500);
  for (let look = 0; look < 30; look++) {
    const report = await read();
    expect(report).toMatchObject({
      verdict: { kind: "ok" },
      slot: { active: true, plugin: "pgoutput", failover: true, walStatus: "reserved" },
      lastRepair: { reason: repairReasons.neverCaptured, count: 3 },
    });
    expect(examineSource(report, new Date()).map(({ level }) => level)).toEqual(["ok", "warning"]); // the repair
  }
  await publishing;
});

test("a missing slot is a failure that names the repair", async () => {
  await dropSlot(database, source.slot);
  const report = await read();
  expect(report.verdict).toEqual({
    kind: "repair",
    reason: repairReasons.slotMissing,
    logWasRestored: false,
  });
  expect(examineSource(report, new Date(8.64e15))).toContainEqual(
    expect.objectContaining({ level: "failure", what: `a repair is due: ${repairReasons.slotMissing}` }),
  );
});
