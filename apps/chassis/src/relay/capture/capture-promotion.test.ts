import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import type { Pool } from "pg";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openTestServer, type TestDatabase, type TestServer } from "../../cluster/postgres/test-database.ts";
import { openPool } from "../../sql/open-pool.ts";
import { repairReasons } from "./repair-reason.ts";
import type { OutboxSource } from "./run-capture.ts";
import { applyTestSchema, expectWhole, publish, runSql, startCapture } from "./test-capture.ts";

/** The outbox is in the primary, the log in the events server. The relay knows one address, behind which is either. */
let server: TestServer;
let outbox: TestDatabase;
let logPool: Pool;
let address: Address;
let source: OutboxSource;
let replicaUrl: string;

beforeEach(async () => {
  server = await openTestServer("full");
  outbox = await server.openDatabase();
  const { replica, events, primary } = server.postgres;
  if (replica === undefined || events === undefined) throw new Error("the topology has both");
  await applyTestSchema(outbox.url());
  await applyTestSchema(events.url("postgres"));
  logPool = openPool({
    url: events.url("postgres"),
    applicationName: "quartet test",
    maxConnections: 4,
    statementTimeoutMs: 10_000,
    onIdleError: () => undefined,
  });
  address = await openAddress(primary.port);
  const url = outbox.url().replace(`:${primary.port}/`, `:${address.port}/`);
  source = { name: "main", url, slot: "quartet_test_main" };
  replicaUrl = replica.url(outbox.name);
});
afterEach(async () => {
  await logPool.end();
  await address[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

test("a running relay follows a promotion without a synced slot: nothing is lost, also where the histories differ", async () => {
  await publish(outbox.url(), 20);
  await using capture = startCapture(source, logPool, 1n);
  await capture.streaming;
  await publish(outbox.url(), 20);
  await expectWhole(outbox.url(), logPool);
  await caughtUp();
  await runSql(replicaUrl, "alter system set primary_conninfo = ''");
  await runSql(replicaUrl, "select pg_reload_conf()");
  await expect
    .poll(
      async () =>
        (
          await runSql(
            outbox.url(),
            "select from pg_stat_replication where application_name = 'quartet_replica'",
          )
        ).length,
    )
    .toBe(0);
  await publish(outbox.url(), 50); // the replica never hears of them
  await expectWhole(outbox.url(), logPool);
  await promote();
  await publish(replicaUrl, 300); // in the WAL where the primary has others
  await expectWhole(replicaUrl, logPool);
  await publish(replicaUrl, 5);
  await expectWhole(replicaUrl, logPool);
  expect(capture.repairs.map(({ reason }) => reason)).toEqual([
    repairReasons.neverCaptured,
    repairReasons.promotion,
  ]);
});

test("a relay goes on with a synced slot after a promotion, with what nobody had captured before it", async () => {
  await publish(outbox.url(), 20);
  await using capture = startCapture(source, logPool, 1n);
  await capture.streaming;
  await expectWhole(outbox.url(), logPool);
  const synced = () =>
    runSql(replicaUrl, "select from pg_replication_slots where slot_name = $1 and synced and not temporary", [
      source.slot,
    ]);
  // A copy is kept when the slot is as far as the replica: what runs is logged, and nothing new begins meanwhile.
  const copy = async () => {
    await runSql(outbox.url(), "select pg_log_standby_snapshot()");
    await runSql(replicaUrl, "select pg_sync_replication_slots()");
    return (await synced()).length;
  };
  await expect.poll(copy, { timeout: 30_000, interval: 200 }).toBe(1);
  await capture.stop();
  await publish(outbox.url(), 30);
  await caughtUp();
  await promote();
  await publish(replicaUrl, 30);
  await using next = startCapture(source, logPool, 2n);
  await next.streaming;
  await publish(replicaUrl, 30);
  await expectWhole(replicaUrl, logPool);
  expect(next.repairs.map(({ reason }) => reason)).toEqual([repairReasons.promotion]);
  expect(await synced()).toHaveLength(1); // it is the one that was copied
});

test("a relay waits while its address leads to a replica", async () => {
  const { primary, replica } = server.postgres;
  address.lead(replica?.port ?? 0);
  await publish(outbox.url(), 20);
  await using capture = startCapture(source, logPool, 1n);
  await expect.poll(() => capture.messages.join("")).toContain("in recovery");
  address.lead(primary.port);
  await expectWhole(outbox.url(), logPool);
});

async function caughtUp(): Promise<void> {
  const [end] = await runSql<{ lsn: string }>(outbox.url(), "select pg_current_wal_lsn()::text as lsn");
  const replayed = () =>
    runSql(replicaUrl, "select where pg_last_wal_replay_lsn() >= $1::pg_lsn", [end?.lsn]);
  await expect.poll(async () => (await replayed()).length).toBe(1);
}

/** Makes the replica the primary, and leads the relay there. */
async function promote(): Promise<void> {
  await runSql(replicaUrl, "select pg_promote(true, 30)");
  address.lead(server.postgres.replica?.port ?? 0);
}

/** An address in front of servers, as a load balancer or a name that changes is one. */
interface Address extends AsyncDisposable {
  readonly port: number;
  /** Leads to another port from now on; connections to the one before are cut. */
  lead(port: number): void;
}

async function openAddress(first: number): Promise<Address> {
  let target = first;
  const sockets = new Set<Socket>();
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  const listener = createServer((near) => {
    const far = connect(target, "127.0.0.1");
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on("error", () => undefined);
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  }).listen(0, "127.0.0.1");
  await once(listener, "listening");
  return {
    port: (listener.address() as AddressInfo).port, // it listens on a port
    lead: (port) => {
      target = port;
      cut();
    },
    [Symbol.asyncDispose]: async () => {
      listener.close();
      cut();
      await once(listener, "close");
    },
  };
}
