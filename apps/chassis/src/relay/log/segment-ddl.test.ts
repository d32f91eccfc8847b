import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { applySchema } from "../../apply/apply-schema.ts";
import { testDomain } from "../../apply/test-domain.ts";
import { openTestServer, type TestDatabase, type TestServer } from "../../cluster/postgres/test-database.ts";
import type { EventLog } from "./event-log.ts";
import { openPostgresLog } from "./postgres-log.ts";
import { openAppliedDatabase } from "./test-log-database.ts";
import { denseAfter, idsOf, readFrom, type TestSource, takeTestSource } from "./test-source.ts";

let server: TestServer;
let database: TestDatabase;
let stack: AsyncDisposableStack;
let log: EventLog;
let source: TestSource;

beforeAll(async () => {
  server = await openTestServer();
});
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(async () => {
  stack = new AsyncDisposableStack();
  database = stack.use(await openAppliedDatabase(server));
  log = openLog();
  source = await takeTestSource(log);
});
afterEach(() => stack.disposeAsync());

/** Another process' log, of the relay's login, without anything in memory. */
function openLog(): EventLog {
  return stack.use(openPostgresLog({ pool: database.openPool("relay") }));
}

async function rotate(maxEvents = 1, maxAge = "1 day"): Promise<number | null> {
  const sql = "select quartet.rotate_event_log($1, $2::interval) as segment";
  const [row] = await database.query<{ segment: number | null }>(sql, [maxEvents, maxAge], "relay");
  return row?.segment ?? null;
}

async function drop(keep = "0 s", hold = "30 days"): Promise<number | null> {
  const sql = "select quartet.drop_event_log_segment($1::interval, $2::interval) as segment";
  const [row] = await database.query<{ segment: number | null }>(sql, [keep, hold], "relay");
  return row?.segment ?? null;
}

/** Appends a segment of so many events, which is full then. */
async function fillSegment(events = 3): Promise<void> {
  await source.append(source.events(events));
  await rotate();
}

async function partitions(): Promise<string[]> {
  const rows = await database.query<{ name: string }>(
    `select relname::text as name from pg_inherits join pg_class on oid = inhrelid
where inhparent = 'quartet.event_log'::regclass and relkind = 'r' order by 1`,
  );
  return rows.map((row) => row.name);
}

describe("rotate_event_log", () => {
  test("begins a segment when the newest has so many events, and has the next partition ready", async () => {
    expect(await rotate(3)).toBe(null);
    await source.append(source.events(2));
    expect(await rotate(3)).toBe(null);
    await source.append(source.events(2));
    expect(await rotate(3)).toBe(2);
    expect(await partitions()).toEqual(["event_log_1", "event_log_2", "event_log_3"]);
    await source.append(source.events(2));
    const places = await database.query(
      "select segment, array_agg(seq::int order by seq) as seqs from quartet.event_log group by 1 order by 1",
    );
    expect(places).toEqual([
      { segment: 1, seqs: [1, 2, 3, 4] },
      { segment: 2, seqs: [5, 6] },
    ]);
  });

  test("begins one when the newest is old, unless it is empty", async () => {
    await source.append(source.events(1));
    expect(await rotate(100)).toBe(null);
    const age = () =>
      database.query("update quartet.event_log_segment set opened_at = now() - interval '2 days'");
    await age();
    expect(await rotate(100)).toBe(2);
    await age();
    expect(await rotate(100)).toBe(null);
    // The age of an empty segment begins with its first event.
    await source.append(source.events(1));
    expect(await rotate(100)).toBe(null);
  });

  test("at once with another begins one segment", async () => {
    await source.append(source.events(1));
    expect((await Promise.all([rotate(), rotate(), rotate()])).filter((segment) => segment !== null)).toEqual(
      [2],
    );
  });

  test("in the midst of appends and reads leaves no gap and loses none", async () => {
    const [first, second] = [openLog(), openLog()];
    const sources = [source, await takeTestSource(second)];
    let [appended, rotations, done] = [0, 0, false];
    const appending = Promise.all(
      sources.map(async (each) => {
        // However fast appends are beside rotations: until there were some of both.
        for (let round = 0; round < 60 || rotations <= 3; round++) {
          await each.append(each.events(3));
          appended += 3;
        }
      }),
    ).finally(() => {
      done = true;
    });
    const reading = (async () => {
      const seen: bigint[] = [];
      for (let after = 0n; !done || seen.length < appended; ) {
        await first.readHead();
        const page = await first.read({ after, types: [], typePrefixes: [], limit: 11 });
        seen.push(...page.events.map((event) => event.seq));
        after = page.scannedTo;
      }
      return seen;
    })();
    const rotating = (async () => {
      while (!done) if ((await rotate(10)) !== null) rotations++;
    })();
    const [seen] = await Promise.all([reading, rotating, appending]);
    expect(seen).toEqual(denseAfter(0n, appended));
  });
});

describe("drop_event_log_segment", () => {
  test("drops the oldest segment once it is old, and never the newest", async () => {
    await fillSegment();
    await fillSegment();
    await source.append(source.events(1));
    expect(await drop("1 hour")).toBe(null);
    expect([await drop(), await drop(), await drop()]).toEqual([1, 2, null]);
    expect(await partitions()).toEqual(["event_log_3", "event_log_4"]);
    expect(await log.readFloor()).toBe(6n);
  });

  test("keeps what a subscription has not passed", async () => {
    await fillSegment();
    await source.append(source.events(1));
    await database.query("insert into quartet.delivery_cursor (subscription, seq) values ('a', 2), ('b', 9)");
    expect(await drop()).toBe(null);
    await database.query("update quartet.delivery_cursor set seq = 3 where subscription = 'a'");
    await park(3);
    expect(await drop()).toBe(null);
    await database.query("delete from quartet.delivery_parked");
    await park(4);
    // A dead letter that was given back brings its event along.
    await park(2);
    await database.query("update quartet.delivery_parked set letter = '{}' where seq = 2");
    expect(await drop()).toBe(1);
  });

  test("after the hold pauses who still needed the segment, and says what it has lost", async () => {
    for (const name of ["behind", "parked", "past"])
      await database.query(
        `insert into quartet.subscription (pb) values (jsonb_build_object('name', $1::text))`,
        [name],
      );
    await fillSegment();
    await fillSegment();
    await database.query(
      "insert into quartet.delivery_cursor (subscription, seq) values ('behind', 1), ('parked', 6), ('past', 6)",
    );
    await park(3, "parked");
    await park(5, "parked");
    expect([await drop("0 s", "1 hour"), await drop("0 s", "0 s")]).toEqual([null, 1]);
    const rows = await database.query(
      "select name, paused, pause_reason as reason, version::int from quartet.subscription order by name",
    );
    const reason = (from: number) =>
      `Events up to sequence 3 were dropped before they were delivered, from sequence ${from} on: events are kept for 00:00:00.`;
    expect(rows).toEqual([
      { name: "behind", paused: true, reason: reason(2), version: 2 },
      { name: "parked", paused: true, reason: reason(3), version: 2 },
      { name: "past", paused: false, reason: "", version: 1 },
    ]);
    expect(await database.query("select seq::int from quartet.delivery_parked")).toHaveLength(2);
  });

  test("sends readers of what is gone to the floor", async () => {
    await fillSegment();
    await fillSegment();
    const rest = source.events(2);
    await source.append(rest);
    await drop();
    await drop();
    const reader = openLog();
    expect(idsOf(await readFrom(reader, 0n))).toEqual(idsOf(rest));
    const query = { types: ["none"], typePrefixes: [], limit: 5 };
    expect(await reader.read({ ...query, after: 2n })).toEqual({ events: [], scannedTo: 8n });
    expect(await reader.read({ ...query, after: 2n, upTo: 4n })).toEqual({ events: [], scannedTo: 4n });
    expect((await reader.readEvents([1n, 6n, 7n])).map((event) => event.seq)).toEqual([7n]);
    expect(await reader.findSequence(new Date(0))).toBe(6n);
  });

  test("in the midst of reads lets them go on", async () => {
    for (let segment = 0; segment < 8; segment++) await fillSegment(50);
    const readers = Array.from({ length: 3 }, async () => {
      const reader = openLog();
      const { seq: head } = await reader.readHead();
      const seen: bigint[] = [];
      for (let after = 0n; after < head; ) {
        const page = await reader.read({ after, types: [], typePrefixes: [], limit: 10 });
        seen.push(...page.events.map((event) => event.seq));
        after = page.scannedTo;
      }
      return seen;
    });
    for (let dropped = 0; dropped < 6; ) if ((await drop().catch(() => null)) !== null) dropped++;
    for (const seen of await Promise.all(readers)) {
      expect(seen.slice(-100)).toEqual(denseAfter(300n, 100));
      // What is missing was dropped: whole segments, never a part of what is kept.
      for (const [index, seq] of seen.entries()) {
        const before = seen[index - 1] ?? 0n;
        expect(seq === before + 1n || (seq - 1n) % 50n === 0n).toBe(true);
      }
    }
  });

  test("gives up soon while somebody holds the log, and does nothing then", async () => {
    await fillSegment();
    const holder = await database.connect();
    await holder.query("begin; select from quartet.event_log limit 1");
    await expect(drop()).rejects.toMatchObject({ code: "55P03" });
    await holder.query("commit");
    expect(await drop()).toBe(1);
  });

  test("is not undone by an apply", async () => {
    await fillSegment();
    await source.append(source.events(1));
    await drop();
    const target = { databaseUrl: database.url(), eventsDatabaseUrl: database.url() };
    const [plan] = await applySchema(testDomain, target);
    expect(plan?.steps).toEqual([]);
    expect(await log.readFloor()).toBe(3n);
    expect(await partitions()).toEqual(["event_log_2", "event_log_3"]);
  });
});

async function park(seq: number, subscription = "b"): Promise<void> {
  await database.query(
    "insert into quartet.delivery_parked (subscription, seq, lane, key, head, due_at) values ($1, $2, 'a', 'a', true, now())",
    [subscription, seq],
  );
}
