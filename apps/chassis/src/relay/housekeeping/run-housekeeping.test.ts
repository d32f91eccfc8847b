import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestServer, type TestDatabase, type TestServer } from "../../cluster/postgres/test-database.ts";
import { createEventId } from "../../outbox/event-id.ts";
import { startOfMonth } from "../../pbtable/history/month.ts";
import type { EventLog } from "../log/event-log.ts";
import { openPostgresLog } from "../log/postgres-log.ts";
import { openAppliedDatabase } from "../log/test-log-database.ts";
import { readFrom, type TestSource, takeTestSource } from "../log/test-source.ts";
import { toLsn } from "../replication/lsn.ts";
import { defaultRetention, type RetentionSettings } from "./retention-settings.ts";
import { runHousekeeping } from "./run-housekeeping.ts";

let server: TestServer;
let database: TestDatabase;
let stack: AsyncDisposableStack;
let log: EventLog;
let source: TestSource;

beforeAll(async () => {
  server = await openTestServer();
  stack = new AsyncDisposableStack();
  database = stack.use(await openAppliedDatabase(server));
  log = stack.use(openPostgresLog({ pool: database.openPool("relay") }));
  source = await takeTestSource(log);
});
afterAll(async () => {
  await stack.disposeAsync();
  await server[Symbol.asyncDispose]();
});

interface Housekeeping extends AsyncDisposable {
  readonly warnings: string[];
}

/** The months of the outbox are left alone unless the retention says otherwise. */
function start(retention: Partial<RetentionSettings> = {}): Housekeeping {
  const controller = new AbortController();
  const warnings: string[] = [];
  const logger = pino({ level: "warn" }, { write: (line: string) => void warnings.push(line) });
  const sources = [{ name: source.fence.source, url: database.url("relay") }];
  const pool = database.openPool("relay");
  const running = runHousekeeping({ pool, log, sources, logger }, controller, {
    ...defaultRetention,
    outboxKeepSeconds: 365 * 86_400,
    ...retention,
  });
  return {
    warnings,
    [Symbol.asyncDispose]: async () => {
      controller.abort();
      await running;
    },
  };
}

test("releases delayed events when they are due, those that come while it waits too", async () => {
  await using _ = start();
  const { seq: before } = await log.readHead();
  const dueIn = (ms: number) => source.event({ key: String(ms), deliverAfter: new Date(Date.now() + ms) });
  await source.append([dueIn(600), dueIn(100)]);
  await source.append([dueIn(300)]);
  await expect.poll(async () => (await log.readHead()).seq, { timeout: 10_000 }).toBe(before + 3n);
  expect((await readFrom(log, before)).map((event) => event.key)).toEqual(["100", "300", "600"]);
});

test("drops what is old of the log, the inbox and the attempts, and begins segments", async () => {
  await source.append(source.events(20));
  await database.query("update quartet.event_log_segment set opened_at = now() - interval '2 days'");
  await database.query("select quartet.rotate_event_log(1, '1 day')");
  await source.append(source.events(20));
  const days = (count: number) => `now() - interval '${count} days'`;
  await database.query(
    `insert into quartet.inbox values ('a', 'old', ${days(20)}), ('a', 'young', ${days(1)}), ('a', 'held', ${days(9)})`,
  );
  await database.query(
    `insert into quartet.delivery_attempt select 'a', 1, 1, at, 1, 200, '', '' from (values (${days(8)}), (${days(6)})) as t (at)`,
  );
  // An operation ten days old outlives the effects of a key, which are kept as long as the log; one of a month does not.
  for (const age of [10, 30]) {
    const time = new Date(Date.now() - age * 86_400_000).toISOString();
    const pb = { operationId: `${age}`, state: "OPERATION_STATE_FAILED", acceptTime: time, endTime: time };
    await database.query("insert into quartet.operation (pb) values ($1)", [JSON.stringify(pb)]);
  }
  // So do runs of sagas.
  for (const age of [10, 30]) {
    const time = new Date(Date.now() - age * 86_400_000).toISOString();
    const pb = {
      saga: "a",
      instanceKey: `${age}`,
      status: "SAGA_STATUS_COMPLETED",
      updateTime: time,
      endTime: time,
    };
    await database.query("insert into quartet.saga (pb) values ($1)", [JSON.stringify(pb)]);
  }
  // A segment that is kept keeps the effects of its time.
  await database.query(`update quartet.event_log_segment set opened_at = ${days(10)} where segment = 1`);
  const inbox = () => ids("select event_id as id from quartet.inbox order by 1");
  const segments = () => ids("select segment::text as id from quartet.event_log_segment order by 1");
  {
    await using housekeeping = start({ segmentEvents: 20 });
    await expect.poll(inbox, { timeout: 10_000 }).toEqual(["held", "young"]);
    await expect.poll(() => ids("select operation_id as id from quartet.operation")).toEqual(["10"]);
    await expect.poll(() => ids("select instance_key as id from quartet.saga")).toEqual(["10"]);
    await expect.poll(segments, { timeout: 10_000 }).toEqual(["1", "2", "3"]);
    await expect.poll(() => ids("select seq as id from quartet.delivery_attempt")).toHaveLength(1);
    expect(housekeeping.warnings).toEqual([]);
  }
  await database.query(`update quartet.event_log_segment set opened_at = ${days(8)} where segment = 2`);
  await using _ = start();
  await expect.poll(segments, { timeout: 10_000 }).toEqual(["2", "3"]);
});

test("drops months of the outbox that the log has wholly, and none while that is not certain", async () => {
  const lastMonth = startOfMonth(new Date(), -1);
  const name = `outbox_${lastMonth.toISOString().slice(0, 7).replace("-", "_")}`;
  const exists = () => ids(`select relname::text as id from pg_class where relname = '${name}'`);
  await database.query(
    "insert into quartet.outbox (id, aggregatetype, aggregateid, type, payload) values ($1, 'a', 'b', 'c', '{}')",
    [createEventId(lastMonth.getTime())],
  );
  const closed = () => ids("select partition as id from quartet.outbox_closed");
  {
    await using _ = start({ outboxKeepSeconds: 0 });
    await expect.poll(closed, { timeout: 10_000 }).toEqual([name]);
  }
  await database.query("update quartet.outbox_closed set closed_at = now() - interval '1 hour'");
  await log.beginRepair(source.fence, "a reason", false);
  {
    await using _ = start({ outboxKeepSeconds: 0 });
    await database.query("insert into quartet.inbox values ('a', 'sign', now() - interval '20 days')");
    await expect.poll(() => ids("select from quartet.inbox where event_id = 'sign'")).toEqual([]);
  }
  expect(await exists()).toEqual([name]);
  const [now] = await database.query<{ id: string }>(
    "select system_identifier::text as id from pg_control_system()",
  );
  const confirmed = toLsn(2n ** 50n);
  const identity = { systemId: now?.id ?? "", timeline: 1 };
  await log.endRepair(source.fence, { identity, confirmed, repairedTo: confirmed, count: 0 });
  await using _ = start({ outboxKeepSeconds: 0 });
  await expect.poll(exists, { timeout: 10_000 }).toEqual([]);
});

test("goes on when a database does not answer, and says so", async () => {
  await database.query("alter table quartet.inbox rename to inbox_away");
  await using housekeeping = start();
  await expect.poll(() => housekeeping.warnings.join(), { timeout: 10_000 }).toContain("prune the inbox");
  await database.query("alter table quartet.inbox_away rename to inbox");
  const { seq: before } = await log.readHead();
  const other = await takeTestSource(log);
  await other.append([other.event({ deliverAfter: new Date(Date.now() + 50) })]);
  await expect.poll(async () => (await log.readHead()).seq, { timeout: 10_000 }).toBe(before + 1n);
});

async function ids(sql: string): Promise<string[]> {
  return (await database.query<{ id: string }>(sql)).map((row) => row.id);
}
