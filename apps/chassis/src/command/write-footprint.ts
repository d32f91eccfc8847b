import type { Table } from "../schema/table/table.ts";
import type { Write } from "../service/write.ts";

/** Which tables a write has asked for, as far as its runs in this process have shown. */
export interface WriteFootprint {
  readonly tables: Set<Table>;
  /** It has run through at least once, and has not used Kysely, which tells nobody what it changes. */
  known: boolean;
  usedSql: boolean;
}

const footprints = new WeakMap<Write, WriteFootprint>();

export function footprintOf(write: Write): WriteFootprint {
  const footprint = footprints.get(write) ?? { tables: new Set(), known: false, usedSql: false };
  footprints.set(write, footprint);
  return footprint;
}

/**
 * Whether one of these writes may change rows of the table. Two transactions that first share a row and then both want to
 * change it lock each other out until Postgres ends one of them, a second later. So rows that may be changed are taken
 * for oneself from the start, and only those of other tables are shared. A guess that turns out wrong costs that second.
 */
export function mayChange(writes: readonly (Write | undefined)[], table: Table): boolean {
  return writes.some((write) => {
    if (write === undefined) return false;
    const { tables, known, usedSql } = footprintOf(write);
    return !known || usedSql || tables.has(table);
  });
}
