import { createIndexSql } from "../../pbtable/table-ddl.ts";
import { quoteIdentifier } from "../../schema/identifier.ts";
import type { TableIndex } from "../../schema/table/table-index.ts";
import type { TableState } from "../catalog/read-catalog.ts";
import type { World } from "../catalog/read-world.ts";
import { indexIdentity } from "../plan/plan-tables.ts";
import type { Drift } from "./drift.ts";
import { setAside } from "./set-aside.ts";

/** Indexes that have a name of ours and are something else. */
export function indexDrift(state: TableState, world: World): readonly Drift[] {
  if (state.shape === undefined) return [];
  return state.table.indexes.flatMap((index) => driftOf(state, index, world));
}

function driftOf({ table, shape, shadow }: TableState, index: TableIndex, world: World): readonly Drift[] {
  const named = ({ name }: { readonly name: string }) => name === index.name;
  const found = shape?.indexes.find(named);
  const identity = indexIdentity(table, index);
  const build = createIndexSql(table, index);
  if (found === undefined) {
    const kind = world.relations.get(`${table.schemaName}.${index.name}`);
    if (kind === undefined) return [];
    const what = `index ${index.name} of ${table.name} is missing, and something else has its name`;
    return [{ what, mend: [setAside(identity, kind), build] }];
  }
  if (!found.valid || found.definition === shadow?.indexes.find(named)?.definition) return [];
  const drop =
    found.constraint === null
      ? `drop index concurrently if exists ${identity}`
      : `alter table ${table.sqlName} drop constraint ${quoteIdentifier(found.constraint)}`;
  return [
    {
      what: `index ${index.name} of ${table.name} is on something else than the protos say: ${found.definition}`,
      mend: [drop, build],
      note: "queries that use the index are slow until it is built",
    },
  ];
}
