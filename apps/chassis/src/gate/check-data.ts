import type { JsonValue } from "@bufbuild/protobuf";
import type { Pool } from "pg";
import { DeadLetterSchema, SubscriptionSchema } from "../gen/quartet/v1/subscription_pb.ts";
import { isJsonMap } from "../schema/json/json-map.ts";
import { systemTables } from "../schema/system-tables.ts";
import { type Table, tableOf } from "../schema/table/table.ts";
import type { Domain } from "../service/domain.ts";
import { openPool } from "../sql/open-pool.ts";
import { translateDatabaseError } from "../sql/translate-error.ts";
import { type DatabaseName, type DataFinding, FindingBook } from "./data/finding-book.ts";
import { KnownTypes } from "./data/known-types.ts";
import { type CheckedTable, runTableCheck, type TableCheck } from "./data/table-check.ts";

/** Where the stored data is. Any login that may select will do. */
export interface DataTarget {
  readonly databaseUrl: string;
  /** The main database's when it is the same. */
  readonly eventsDatabaseUrl: string;
}

export interface CheckDataOptions {
  /** Rows to read of each table, about; undefined: all. */
  readonly sampleRows: number | undefined;
  /** Chooses the sample; the same seed reads the same pages. */
  readonly seed: number;
  /** Called after each batch. */
  readonly onProgress?: (table: CheckedTable) => void;
}

/** What stored data means to a build. Without findings, the build reads all that was looked at as it was written. */
export interface DataReport {
  readonly seed: number;
  readonly tables: readonly CheckedTable[];
  readonly findings: readonly DataFinding[];
  /** What the build does not know and will keep. */
  readonly notes: readonly DataFinding[];
}

/** Limit of one statement, each of which reads at most a batch. */
const statementTimeoutMs = 60_000;

/**
 * Reads stored rows, outboxes, the log and dead letters with a build's schema, and reports what it would not parse and
 * what it would change. Never writes. Memory does not grow with the data.
 *
 * @throws QuartetError `unavailable` or `deadline_exceeded` when a database is away or too slow.
 */
export async function checkData(
  domain: Pick<Domain, "registry" | "tables">,
  target: DataTarget,
  options: CheckDataOptions,
): Promise<DataReport> {
  const book = new FindingBook();
  const found: CheckedTable[] = [];
  const databases: readonly (readonly [DatabaseName, string])[] =
    target.databaseUrl === target.eventsDatabaseUrl
      ? [["main", target.databaseUrl]]
      : [
          ["main", target.databaseUrl],
          ["events", target.eventsDatabaseUrl],
        ];
  try {
    for (const [database, url] of databases) {
      found.push(...(await checkDatabase(domain, { database, url }, options, book)));
    }
  } catch (error) {
    throw translateDatabaseError(error);
  }
  noteAbsent(domain.tables, found, book);
  return { seed: options.seed, tables: found, findings: book.findings, notes: book.notes };
}

async function checkDatabase(
  domain: Pick<Domain, "registry" | "tables">,
  { database, url }: { readonly database: DatabaseName; readonly url: string },
  options: CheckDataOptions,
  book: FindingBook,
): Promise<CheckedTable[]> {
  const pool = openPool({
    url,
    applicationName: "quartet check",
    maxConnections: 1,
    statementTimeoutMs,
    readOnly: true,
    onIdleError: () => undefined,
  });
  try {
    return await runChecks(
      { pool, database, types: new KnownTypes(domain.registry), book, ...options },
      checksOf(domain),
    );
  } finally {
    await pool.end();
  }
}

async function runChecks(
  context: Parameters<typeof runTableCheck>[0] & { readonly pool: Pool },
  checks: readonly TableCheck[],
): Promise<CheckedTable[]> {
  const found: CheckedTable[] = [];
  for (const check of checks) {
    const table = await runTableCheck(context, check);
    if (table !== undefined) found.push(table);
  }
  return found;
}

/** The domain's tables, the platform's own, and what holds events. Which of them a database has shows there. */
function checksOf(domain: Pick<Domain, "registry" | "tables">): TableCheck[] {
  const deadLetters = tableOf(DeadLetterSchema);
  const plain = [...domain.tables, ...systemTables, tableOf(SubscriptionSchema)];
  const eventTable = (table: string): TableCheck => ({
    schema: "quartet",
    table,
    json: "payload",
    type: "type",
  });
  return [
    ...plain.map((table) => pbtableCheck(table)),
    { ...pbtableCheck(deadLetters), eventOf: readDeadEvent },
    eventTable("outbox"),
    eventTable("log"),
  ];
}

function pbtableCheck(table: Table): TableCheck {
  return { schema: table.schemaName, table: table.tableName, json: "pb", pbtable: table };
}

/** The event inside a dead letter. */
function readDeadEvent(encoded: JsonValue) {
  const { eventType = "", eventData = "" } = isJsonMap(encoded) ? encoded : {};
  return { type: String(eventType), text: String(eventData), path: "eventData" };
}

/** A table that no database has yet will be made by `quartet apply`. */
function noteAbsent(tables: readonly Table[], found: readonly CheckedTable[], book: FindingBook): void {
  for (const { name } of tables) {
    if (found.some(({ table }) => table === name)) continue;
    const detail = "is not there yet: quartet apply will make it";
    book.addTable({ database: "main", table: name }, { kind: "absent", path: "", detail });
  }
}
