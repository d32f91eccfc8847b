import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../../cluster/postgres/test-database.ts";
import type { OutboxSource } from "./run-capture.ts";
import { applyTestSchema, expectWhole, publish, publishLarge, startCapture } from "./test-capture.ts";

let database: TestDatabase;
let source: OutboxSource;

beforeAll(async () => {
  database = await openTestDatabase();
  await applyTestSchema(database.url());
  source = { name: "main", url: database.url(), slot: "quartet_test_large" };
});
afterAll(() => database[Symbol.asyncDispose]());

test("a transaction of 300,000 events through which relays and connections die is in the log once, in order", async () => {
  let batches = 0;
  // Every 20th batch the connection dies in the midst of it; every 60th the relay does.
  const appended = async () => {
    batches++;
    if (batches % 20 === 0) {
      await database.query(
        "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1",
        [source.slot],
      );
    }
  };
  const first = startCapture(source, database.pool, 1n);
  await first.streaming;
  await first.stop();
  await publish(source.url, 5);
  await publishLarge(source.url, 300_000);
  await publish(source.url, 5);
  for (let epoch = 2n; ; epoch++) {
    await using capture = startCapture(source, database.pool, epoch, { stopPoints: { appended } });
    const until = batches + 60;
    await expect
      .poll(async () => batches >= until || (await countLogged()) === 300_010, {
        timeout: 60_000,
        interval: 50,
      })
      .toBe(true);
    await capture.stop();
    expect(capture.repairs).toEqual([]);
    if ((await countLogged()) === 300_010) break;
  }
  await expectWhole(source.url, database.pool);
}, 180_000);

async function countLogged(): Promise<number> {
  const [row] = await database.query<{ count: number }>("select count(*)::int from quartet.event_log");
  return row?.count ?? 0;
}
