import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";
import { QuartetError } from "../error/quartet-error.ts";
import { OperationRecordSchema } from "../gen/quartet/v1/operation_pb.ts";
import { DeadLetterSchema, SubscriptionSchema } from "../gen/quartet/v1/subscription_pb.ts";
import { sqlStateOf, translateDatabaseError } from "../pbtable/translate-error.ts";
import { logSql, logTables } from "../relay/log/log-ddl.ts";
import { tableOf } from "../schema/table.ts";
import type { Domain } from "../service/domain.ts";
import { planSchema, type SchemaTarget, type Step } from "./plan-schema.ts";
import { eventsGrantsSql, mainGrantsSql } from "./roles-ddl.ts";

export interface ApplyTarget {
  /** URL of an owner of the main database. */
  readonly databaseUrl: string;
  /** URL of an owner of the events database; the main database when it is the same. */
  readonly eventsDatabaseUrl: string;
}

export interface ApplyOptions {
  /** Gets each step before it runs. */
  readonly onStep?: (database: "main" | "events", step: Step) => void;
}

const lockTimeoutMs = 200;
const lockAttempts = 50;
/** Building an index waits for transactions older than itself, and blocks neither reads nor writes meanwhile. */
const indexTimeoutMs = 600_000;
const applyLockKey = 7_236_419_001n;

/**
 * Brings the databases to the shape the domain's protos say. Additive and idempotent: never drops, never rewrites.
 * Two of them at once take turns; interrupted and run again, it ends right.
 *
 * @throws QuartetError `unavailable` when a lock cannot be had in time or the database is away.
 */
export async function applySchema(
  domain: Domain,
  target: ApplyTarget,
  options: ApplyOptions = {},
): Promise<void> {
  const mainTables = [...domain.tables, tableOf(OperationRecordSchema)];
  const relayTables = [tableOf(SubscriptionSchema), tableOf(DeadLetterSchema)];
  await applyTo(target.databaseUrl, "main", options, (database) => ({
    tables: mainTables,
    extra: [],
    grants: mainGrantsSql(mainTables, database, target.databaseUrl !== target.eventsDatabaseUrl),
    now: new Date(),
  }));
  await applyTo(target.eventsDatabaseUrl, "events", options, (database) => ({
    tables: relayTables,
    extra: logSql,
    grants: eventsGrantsSql(logTables, relayTables, database),
    now: new Date(),
  }));
}

async function applyTo(
  url: string,
  name: "main" | "events",
  options: ApplyOptions,
  targetOf: (database: string) => SchemaTarget,
): Promise<void> {
  const client = new Client({ connectionString: url, application_name: "quartet apply" });
  client.on("error", () => undefined);
  try {
    await client.connect();
    await takeApplyLock(client);
    const found = await client.query<{ name: string }>("select current_database() as name");
    await client.query("set client_min_messages = warning");
    for (const step of await planSchema(client, targetOf(found.rows[0]?.name ?? ""))) {
      options.onStep?.(name, step);
      await runStep(client, step);
    }
  } catch (error) {
    throw translateDatabaseError(error);
  } finally {
    await client.end();
  }
}

/** Asks again and again rather than waits: a waiting statement's snapshot would block `create index concurrently`. */
async function takeApplyLock(client: Client): Promise<void> {
  for (let attempt = 0; attempt < 600; attempt++) {
    const result = await client.query<{ locked: boolean }>("select pg_try_advisory_lock($1) as locked", [
      applyLockKey,
    ]);
    if (result.rows[0]?.locked) return;
    await delay(100);
  }
  throw new QuartetError("unavailable", "Another quartet apply has been running for a minute.", {
    fix: "Wait for it, or end its session (application_name 'quartet apply').",
  });
}

/** 55P03: the lock was not free within `lock_timeout`; XX000: two sessions changed one catalog row (grants). */
const retriedStates: ReadonlySet<string> = new Set(["55P03", "40P01", "XX000"]);

async function runStep(client: Client, step: Step): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      if (step.index !== undefined) await dropInvalidIndex(client, step.index);
      await client.query(`set lock_timeout = ${step.index === undefined ? lockTimeoutMs : indexTimeoutMs}`);
      await client.query(step.sql);
      return;
    } catch (cause) {
      const state = sqlStateOf(cause) ?? "";
      if (retriedStates.has(state) && attempt < lockAttempts) {
        await delay(Math.min(1_000, 50 * attempt));
        continue;
      }
      throw new QuartetError(
        state === "55P03" ? "unavailable" : "failed_precondition",
        `apply failed at ${step.what}: ${cause instanceof Error ? cause.message : String(cause)}\n${step.sql}`,
        { cause },
      );
    }
  }
}

/**
 * An index whose build was interrupted is there, invalid, of use to nobody and at a cost to every write; `if not
 * exists` would leave it so for ever.
 */
async function dropInvalidIndex(client: Client, index: string): Promise<void> {
  const found = await client.query(
    "select from pg_index where indexrelid = to_regclass($1) and not indisvalid",
    [index],
  );
  if (found.rowCount === 0) return;
  await client.query(`set lock_timeout = ${indexTimeoutMs}`);
  await client.query(`drop index concurrently if exists ${index}`);
}
