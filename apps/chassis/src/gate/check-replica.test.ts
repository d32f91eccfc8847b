import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { queryServer } from "../cluster/postgres/query-server.ts";
import { openTestServer, type TestDatabase, type TestServer } from "../cluster/postgres/test-database.ts";
import { checkData } from "./check-data.ts";
import { buildDomain, createStores } from "./test-data.ts";

const domain = buildDomain({ order: { amount: "int64" } });
const rows = 20_000;

let server: TestServer;
let database: TestDatabase;
let replica: string;

beforeAll(async () => {
  server = await openTestServer("full");
  database = await server.openDatabase();
  replica = server.postgres.replica?.url(database.name) ?? "";
  await createStores(database, domain);
  await database.query(
    `insert into market.orders (pb) select jsonb_build_object('id', n::text, 'amount', n::text)
from generate_series(1, ${rows}) n`,
  );
  await queryServer(replica, "alter system set max_standby_streaming_delay = 0");
  await queryServer(replica, "select pg_reload_conf()");
});
afterAll(() => server[Symbol.asyncDispose]());

/** Takes a lock again and again that a replica cancels readers for, until the signal aborts. */
async function lockTable(signal: AbortSignal): Promise<void> {
  const client = await database.connect();
  for (let count = 0; !signal.aborted; count++) {
    await client.query(`comment on table market.orders is '${count}'`);
    await client.query("begin; lock table market.orders in access exclusive mode; commit");
    await delay(100);
  }
}

async function countConflicts(): Promise<bigint> {
  const sql = "select sum(confl_lock)::text as count from pg_stat_database_conflicts";
  const [found] = await queryServer<{ count: string }>(replica, sql);
  return BigInt(found?.count ?? 0);
}

test("a check on a replica goes on after what the replica cancels", async () => {
  const done = new AbortController();
  const locking = lockTable(done.signal);
  try {
    const target = { databaseUrl: replica, eventsDatabaseUrl: replica };
    while ((await countConflicts()) === 0n) {
      const { tables, findings } = await checkData(domain, target, { sampleRows: undefined, seed: 1 });
      expect(tables.find(({ table }) => table === "market.orders")?.rows).toBe(rows);
      expect(findings).toEqual([]);
    }
  } finally {
    done.abort();
    await locking;
  }
}, 60_000);
