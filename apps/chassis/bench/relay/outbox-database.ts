import type { Pool } from "pg";
import { applySchema } from "../../src/apply/apply-schema.ts";
import { createLoginSql } from "../../src/apply/roles-ddl.ts";
import { type TestServer, testPassword } from "../../src/cluster/postgres/test-database.ts";
import { appendEvents } from "../../src/outbox/append-events.ts";
import type { BenchEvent } from "../peers/peer.ts";
import { benchDomain, benchEventType } from "./bench-domain.ts";

/** A database that `quartet apply` has made, and who publishes into its outbox. Disposing drops the relay's slot. */
export interface OutboxDatabase extends AsyncDisposable {
  /** Of the relay's login. */
  readonly relayUrl: string;
  /** The superuser's. */
  readonly pool: Pool;
  publish(event: BenchEvent): Promise<void>;
  /** Each event in a transaction of its own, one after another. */
  publishMany(events: readonly BenchEvent[]): Promise<void>;
}

/**
 * Commits each event by itself, as most events are published, at the speed of the server: over the network it would take
 * minutes to fill a backlog.
 */
const publishProcedureSql = `create procedure bench_publish(ids uuid[], keys text[], payloads text[])
language plpgsql as $$
begin
  for i in 1 .. array_length(ids, 1) loop
    insert into quartet.outbox (id, aggregatetype, aggregateid, type, payload)
    values (ids[i], 'order', keys[i], '${benchEventType}', payloads[i]::jsonb);
    commit;
  end loop;
end $$`;

const login = "bench_relay";

export async function openOutboxDatabase(server: TestServer): Promise<OutboxDatabase> {
  await using stack = new AsyncDisposableStack();
  const database = stack.use(await server.openDatabase());
  const url = database.url();
  await applySchema(benchDomain, { databaseUrl: url, eventsDatabaseUrl: url });
  await database.query(createLoginSql(login, testPassword, "quartet_relay"));
  await database.query(publishProcedureSql);
  stack.defer(() => dropSlots(database.pool));
  const pool = database.openPool(undefined, { maxConnections: 16, applicationName: "bench producer" });
  const filler = await database.connect();
  // What is not flushed at once is flushed long before delivery begins.
  await filler.query("set synchronous_commit = off");
  const owned = stack.move();
  return {
    relayUrl: database.url(login),
    pool: database.pool,
    publish: async (event) => {
      await appendEvents(pool, [toOutboxEvent(event)]);
    },
    publishMany: async (events) => {
      await filler.query("call bench_publish($1, $2, $3)", [
        events.map((event) => event.id),
        events.map((event) => event.key),
        events.map((event) => JSON.stringify(event)),
      ]);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function toOutboxEvent(event: BenchEvent) {
  return {
    id: event.id,
    aggregateType: "order",
    aggregateId: event.key,
    type: benchEventType,
    payload: JSON.stringify(event),
    causationId: undefined,
    correlationId: undefined,
    traceparent: undefined,
  };
}

/** Slots belong to the server and would hold its WAL after the database is forgotten. */
async function dropSlots(pool: Pool): Promise<void> {
  await pool.query(
    `select pg_drop_replication_slot(slot_name) from pg_replication_slots
where database = current_database() and not active`,
  );
}
