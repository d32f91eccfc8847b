import { createOutboxPublicationSql, outboxPublication } from "../../outbox/outbox-ddl.ts";
import type { DdlObject } from "../../pbtable/ddl-object.ts";
import { viewObjects } from "../../pbtable/view/view-ddl.ts";
import { quoteIdentifier } from "../../schema/identifier.ts";
import type { Catalog, TableState } from "../catalog/read-catalog.ts";
import type { PublicationShape } from "../catalog/read-world.ts";
import { isReplaced, relationOf } from "../plan/plan-objects.ts";
import { viewIdentity } from "../table-objects.ts";
import type { Drift } from "./drift.ts";
import { indexDrift } from "./index-drift.ts";
import { setAside } from "./set-aside.ts";
import { tableDrift } from "./table-drift.ts";

/**
 * What somebody altered by hand. An index that is invalid is not among it: it is built again.
 *
 * What nobody here made (other tables, other indexes) is nobody's business here, except columns that stand in a pbtable
 * and are no generated ones: a write through the pbtable cannot fill them.
 */
export function findDrift(catalog: Catalog): readonly Drift[] {
  const { tables, platform } = catalog;
  return [
    ...tables.flatMap((state) => tableDrift(state)),
    ...tables.flatMap((state) => indexDrift(state, catalog.world)),
    ...objectDrift([...platform, ...tables.flatMap(({ changes }) => changes)], catalog),
    ...tables.flatMap((state) => viewDrift(state, catalog)),
    ...rowSecurityDrift(catalog),
    ...publicationDrift(catalog.world.publication),
  ];
}

function objectDrift(objects: readonly DdlObject[], { objects: states }: Catalog): readonly Drift[] {
  return objects
    .filter((object) => isReplaced(states.get(object.identity)))
    .map((object) => ({
      what: `${object.kind} ${object.identity} was changed${object.kind === "trigger" ? " or disabled" : ""}`,
      mend: [mendObject(object)],
    }));
}

/** A trigger that is disabled stays so when it is replaced; dropped and made in one transaction no write misses it. */
function mendObject({ kind, identity, create }: DdlObject): string {
  if (kind !== "trigger") return create;
  const name = identity.slice(0, identity.length - relationOf(identity).length);
  return `drop trigger if exists ${name}${relationOf(identity)};\n${create}`;
}

/** A view with other columns cannot be replaced; its trigger goes with it. */
function viewDrift({ table, view }: TableState, catalog: Catalog): readonly Drift[] {
  const identity = viewIdentity(table);
  const taken = catalog.world.relations.get(table.viewName);
  if (taken !== undefined && taken !== "v") {
    return [{ what: `${table.viewName} is no view`, mend: [setAside(identity, taken)], blocking: true }];
  }
  if (!isReplaced(catalog.objects.get(identity))) return objectDrift(view, catalog);
  const again = viewObjects(table, []).map((object) => object.create);
  return [
    {
      what: `view ${table.viewName} was changed`,
      mend: [[`drop view if exists ${identity}`, ...again].join(";\n")],
      note: "quartet apply then gives the grants on it again",
    },
  ];
}

function rowSecurityDrift({ world, tables, platform }: Catalog): readonly Drift[] {
  const ours = new Set([
    ...tables.map(({ table }) => table.sqlName),
    ...[...platform, ...tables.flatMap(({ changes }) => changes)]
      .filter(({ kind }) => kind === "table")
      .map(({ identity }) => identity),
  ]);
  return [...world.rowSecurity].flatMap((name) => {
    const sqlName = quotedName(name);
    if (!ours.has(sqlName)) return [];
    const mend = `alter table ${sqlName} disable row level security, no force row level security`;
    return [{ what: `${name} has row level security, which hides rows from its users`, mend: [mend] }];
  });
}

function quotedName(name: string): string {
  const [schema = "", ...rest] = name.split(".");
  return `${quoteIdentifier(schema)}.${quoteIdentifier(rest.join("."))}`;
}

function publicationDrift(found: PublicationShape | undefined): readonly Drift[] {
  if (found === undefined) return [];
  const name = quoteIdentifier(outboxPublication);
  if (found.allTables) {
    const mend = [`drop publication ${name};\n${createOutboxPublicationSql}`];
    return [{ what: `publication ${outboxPublication} carries all tables`, mend }];
  }
  const carried = [...found.tables, ...found.schemas.map((schema) => `all of ${schema}`)].join(", ");
  const settings = found.operations === "insert" && found.viaRoot;
  if (settings && carried === "quartet.outbox") return [];
  const said = `${found.operations} of ${carried || "nothing"}${found.viaRoot ? "" : ", by partition"}`;
  return [
    {
      what: `publication ${outboxPublication} carries ${said}, not the inserts of quartet.outbox`,
      mend: [
        `alter publication ${name} set (publish = 'insert', publish_via_partition_root = true)`,
        `alter publication ${name} set table quartet.outbox`,
      ],
      note: "what was not published meanwhile is in the outbox table, and the relay repairs itself from it",
    },
  ];
}
