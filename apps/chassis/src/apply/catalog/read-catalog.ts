import type { ClientBase } from "pg";
import type { DdlObject } from "../../pbtable/ddl-object.ts";
import { createShadowSql } from "../../pbtable/table-ddl.ts";
import { viewObjects } from "../../pbtable/view/view-ddl.ts";
import type { Table } from "../../schema/table/table.ts";
import type { SchemaTarget } from "../schema-target.ts";
import { changeObjects, platformObjects, viewIdentity } from "../table-objects.ts";
import { type ObjectState, readObjectStates, readViewColumns } from "./read-objects.ts";
import { readWorld, type World } from "./read-world.ts";
import { readTableShapes, type TableShape } from "./table-shape.ts";

/** All that a plan is made from: what there is, and in Postgres' own words what there should be. */
export interface Catalog {
  readonly world: World;
  readonly platform: readonly DdlObject[];
  readonly tables: readonly TableState[];
  /** By identity, of every object of `platform` and `tables`. */
  readonly objects: ReadonlyMap<string, ObjectState>;
}

/** A pbtable as it is and as it should be. */
export interface TableState {
  readonly table: Table;
  /** Undefined: there is none. */
  readonly shape: TableShape | undefined;
  /** What a new table of the same protos looks like; undefined where there is none to compare it with. */
  readonly shadow: TableShape | undefined;
  /** History and published changes. */
  readonly changes: readonly DdlObject[];
  readonly view: readonly DdlObject[];
}

/**
 * Reads the catalogs as of one moment. Leaves nothing behind: the tables to compare with are temporary, and rolled back.
 * Needs a session with an empty search_path, for Postgres' words depend on it.
 */
export async function readCatalog(client: ClientBase, target: SchemaTarget): Promise<Catalog> {
  await client.query("begin isolation level repeatable read");
  try {
    return await readInTransaction(client, target);
  } finally {
    await client.query("rollback");
  }
}

async function readInTransaction(client: ClientBase, target: SchemaTarget): Promise<Catalog> {
  const schemas = [...new Set(["quartet", ...target.tables.map((table) => table.schemaName)])];
  const world = await readWorld(client, schemas);
  const shapes = await readTableShapes(
    client,
    target.tables.map((table) => table.sqlName),
  );
  const shadows = await readShadows(
    client,
    target.tables.filter((table) => shapes.has(table.sqlName)),
  );
  const views = await readViewColumns(client, target.tables.map(viewIdentity));
  const platform = platformObjects(target);
  const tables = target.tables.map((table) => ({
    table,
    shape: shapes.get(table.sqlName),
    shadow: shadows.get(table.sqlName),
    changes: changeObjects(table, target.now),
    view: viewObjects(table, views.get(viewIdentity(table)) ?? []),
  }));
  const all = [...platform, ...tables.flatMap(({ changes, view }) => [...changes, ...view])];
  const objects = await readObjectStates(client, all, world.relations.has("quartet.schema_object"));
  return { world, platform, tables, objects };
}

async function readShadows(
  client: ClientBase,
  tables: readonly Table[],
): Promise<ReadonlyMap<string, TableShape>> {
  if (tables.length === 0) return new Map();
  await client.query(tables.flatMap((table, i) => createShadowSql(table, `shadow_${i}`)).join(";\n"));
  const names = tables.map((_, i) => `pg_temp.shadow_${i}`);
  const shapes = await readTableShapes(client, names);
  return new Map(
    tables.flatMap((table, i) => {
      const shape = shapes.get(`pg_temp.shadow_${i}`);
      return shape === undefined ? [] : [[table.sqlName, shape] as const];
    }),
  );
}
