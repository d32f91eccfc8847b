import { createHash } from "node:crypto";
import { QuartetError } from "../error/quartet-error.ts";
import type { ReadPrecondition } from "../gen/quartet/v1/intent_pb.ts";
import { type RowLock, readKey, readRowVersions } from "../pbtable/seen-row.ts";
import { type Table, tableOf } from "../schema/table/table.ts";
import type { Domain } from "../service/domain.ts";
import type { SqlClient } from "../sql/sql-client.ts";

/**
 * How decisions that rest on what they read are written as if one after the other, at READ COMMITTED:
 *
 * 1. Before the writes, rows are locked and compared. Whoever wants to change one waits until this transaction ends, or
 *    has ended before, and then it is not the same row.
 * 2. What is not there cannot be locked. After the writes, a transaction that rests on absences takes one advisory lock
 *    for each key that must be absent and for each key that it has inserted itself, and only then looks whether the first
 *    are absent still. Of two that each insert what the other believes absent, the second one to lock sees the first's.
 *
 * Why that is enough: give each transaction the moment of its last look, or of its commit when it rests on no absence.
 * Whoever overwrites what another has read has a later moment than that one, so no circle of them can be.
 *
 * Not covered: what a write finds out by itself, such as that a delete has found nothing; and rows that a decision which
 * rests on absences inserts by Kysely, which nobody notes.
 */
export async function findConflict(
  client: SqlClient,
  domain: Domain,
  preconditions: readonly ReadPrecondition[],
  lockOf: (table: Table) => RowLock,
): Promise<ReadPrecondition | undefined> {
  for (const { table, rests } of byTable(domain, preconditions)) {
    const keys = rests.map(({ key }) => readKey(key));
    const found = await readRowVersions(client, table, keys, lockOf(table));
    const conflict = rests.find(({ version, writer }, index) => {
      const row = found[index];
      return row?.version !== version || (writer !== 0 && row.writer !== writer);
    });
    if (conflict !== undefined) return conflict;
  }
  return undefined;
}

/** The preconditions that a key has no row. */
export function absencesAmong(preconditions: readonly ReadPrecondition[]): readonly ReadPrecondition[] {
  return preconditions.filter(({ version }) => version === 0n);
}

/** A key of a table in the words of a precondition. */
export interface RowName {
  readonly table: string;
  readonly key: string;
}

/**
 * Waits for the other transactions that rest on the absence of one of these rows or have inserted it; others wait for
 * this one. In one order everywhere, and as the last locks of a transaction, so that nobody waits in a circle.
 */
export async function lockNames(client: SqlClient, names: readonly RowName[]): Promise<void> {
  const locks = [...new Set(names.map(lockOfName))].sort((a, b) => (a < b ? -1 : 1));
  await client.query({
    name: "lock absent rows",
    text: "select pg_advisory_xact_lock(lock) from unnest($1::bigint[]) as l(lock)",
    values: [locks.map(String)],
  });
}

function lockOfName({ table, key }: RowName): bigint {
  return createHash("sha256").update(`quartet row\0${table}\0${key}`).digest().readBigInt64BE();
}

export function nameOfRow({ table, key }: RowName): string {
  return `${table} ${key}`;
}

/** In one order everywhere, so that transactions lock tables alike. */
function byTable(domain: Domain, preconditions: readonly ReadPrecondition[]) {
  const names = [...new Set(preconditions.map(({ table }) => table))].sort();
  return names.map((name) => ({
    table: requireTable(domain, name),
    rests: preconditions.filter(({ table }) => table === name),
  }));
}

function requireTable(domain: Domain, name: string): Table {
  const message = domain.registry.getMessage(name);
  if (message !== undefined) return tableOf(message);
  throw new QuartetError("unimplemented", `This build has no table ${name}.`);
}
