import { setTimeout as delay } from "node:timers/promises";
import type { TestDatabase, TestServer } from "../../src/cluster/postgres/test-database.ts";
import { createOutboxPublicationSql, outboxPublication, outboxSql } from "../../src/outbox/outbox-ddl.ts";
import { captureFault } from "../../src/relay/replication/capture-fault.ts";
import { ensureSlot } from "../../src/relay/replication/ensure-slot.ts";
import {
  openTransactionStream,
  type ReplicationSource,
  type TransactionStream,
} from "../../src/relay/replication/read-transactions.ts";
import { type Contestant, median, runContest } from "../harness/contest.ts";
import { countRows } from "./bare-reader.ts";

export interface DecodeOptions {
  readonly server: TestServer;
  /** Transactions of one row each. */
  readonly transactions: number;
  readonly rounds: number;
  readonly log: (line: string) => void;
}

/** How fast one slot's content is read, by whom. All at one row a transaction, where the server has most to do a row. */
export interface DecodeSpeed {
  /** Our stream's rate divided by that of the best reader that only counts; median over the rounds. */
  readonly ratio: number;
  readonly ourRowsPerSecond: number;
  /** Of a reader that counts rows and reads in gulps: what the walsender can do at best. */
  readonly walsenderRowsPerSecond: number;
  /** Of a reader that counts rows and reads each piece as it comes. */
  readonly eagerRowsPerSecond: number;
  /** CPU time, user and system, of this process for each row through our stream. */
  readonly ourMicrosPerRow: number;
}

/** Reads the same slot again and again, acknowledging nothing, by our stream and by readers that only count. */
export async function measureDecode(options: DecodeOptions): Promise<DecodeSpeed> {
  const { server, transactions, rounds, log } = options;
  await using database = await server.openDatabase();
  await using slot = await openFilledSlot(database, transactions);
  const micros: number[] = [];
  const ours: Contestant = {
    name: "our stream",
    run: async (count) => {
      const before = process.cpuUsage();
      await readRows(slot.source, count);
      const { user, system } = process.cpuUsage(before);
      micros.push((user + system) / count);
    },
  };
  const bare = (name: string, gather: boolean): Contestant => ({
    name,
    run: async (count) => {
      await countRows(slot.source, count, gather);
      await untilFree(slot.source, database);
    },
  });
  const plan = { count: transactions, rounds, log };
  const eager = await runContest({
    ...plan,
    name: "decode, beside an eager counter",
    contestants: [ours, bare("an eager counter", false)],
  });
  const best = await runContest({
    ...plan,
    name: "decode, beside a gathering counter",
    contestants: [ours, bare("a gathering counter", true)],
  });
  return {
    ratio: best.ratio,
    ourRowsPerSecond: best.rates[0],
    walsenderRowsPerSecond: best.rates[1],
    eagerRowsPerSecond: eager.rates[1],
    ourMicrosPerRow: median(micros),
  };
}

async function readRows(source: ReplicationSource, count: number): Promise<void> {
  await using stream = await openWhenFree(source);
  let rows = 0;
  for await (const part of stream) {
    rows += part.rows.length;
    for (const more of stream.takeReceived(1_000)) rows += more.rows.length;
    if (rows >= count) break;
  }
  if (rows !== count) throw new Error(`${rows} rows came where ${count} were committed`);
}

async function openWhenFree(source: ReplicationSource): Promise<TransactionStream> {
  for (;;) {
    try {
      return await openTransactionStream(source);
    } catch (error) {
      if (captureFault(error) !== "slot_active") throw error;
      await delay(5);
    }
  }
}

async function untilFree({ slot }: ReplicationSource, database: TestDatabase): Promise<void> {
  const active = "select 1 from pg_replication_slots where slot_name = $1 and active";
  while ((await database.query(active, [slot])).length > 0) await delay(2);
}

interface FilledSlot extends AsyncDisposable {
  readonly source: ReplicationSource;
}

/** A slot behind which so many transactions of one event wait. */
async function openFilledSlot(database: TestDatabase, transactions: number): Promise<FilledSlot> {
  await database.query("create schema quartet");
  for (const statement of outboxSql(new Date())) await database.query(statement);
  await database.query(createOutboxPublicationSql);
  const source = { url: database.url(), slot: "bench_decode", publication: outboxPublication };
  await ensureSlot(source);
  const filler = await database.connect();
  await filler.query("set synchronous_commit = off");
  await filler.query(`do $$ begin for n in 1..${transactions} loop
    insert into quartet.outbox (id, aggregatetype, aggregateid, type, payload, correlationid, traceparent)
    values (uuidv7(), 'order', 'order-' || n % 10000, 'shop.v1.OrderPlaced', jsonb_build_object(
      'orderId', n, 'customerId', n % 10000, 'currency', 'EUR', 'totalCents', '4990', 'lines', jsonb_build_array(
        jsonb_build_object('sku', 'espresso-machine-silver', 'quantity', 1, 'priceCents', '49900'),
        jsonb_build_object('sku', 'filter-paper-size-4', 'quantity', 3, 'priceCents', '349'))),
      uuidv7()::text, '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01');
    commit; end loop; end $$`);
  return {
    source,
    [Symbol.asyncDispose]: async () => {
      await untilFree(source, database);
      await database.query("select pg_drop_replication_slot($1)", [source.slot]);
    },
  };
}
