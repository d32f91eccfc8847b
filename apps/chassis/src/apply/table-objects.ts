import { operationRetentionObjects } from "../command/operation-retention-ddl.ts";
import { sagaRetentionObjects } from "../command/saga/saga-retention-ddl.ts";
import { inboxRetentionObjects, inboxSql } from "../inbox/inbox-ddl.ts";
import { outboxSql } from "../outbox/outbox-ddl.ts";
import { outboxRetentionObjects } from "../outbox/outbox-retention-ddl.ts";
import type { DdlObject } from "../pbtable/ddl-object.ts";
import { changeFunctions } from "../pbtable/history/change-ddl.ts";
import { historyObjects } from "../pbtable/history/history-ddl.ts";
import { publishObjects } from "../pbtable/history/publish-ddl.ts";
import { quoteIdentifier } from "../schema/identifier.ts";
import type { Table } from "../schema/table/table.ts";
import { objectTableSql } from "./catalog/read-objects.ts";
import type { SchemaTarget } from "./schema-target.ts";

/** What every database has before its pbtables, in the order it is made. */
export function platformObjects(target: SchemaTarget): readonly DdlObject[] {
  const tables = [objectTableSql, ...outboxSql(target.now), ...inboxSql, ...target.relay.tables];
  return [
    ...relationObjects(tables),
    ...changeFunctions(),
    ...outboxRetentionObjects(),
    ...inboxRetentionObjects(),
    ...operationRetentionObjects(),
    ...sagaRetentionObjects(),
    ...target.relay.functions,
  ];
}

/** What belongs to a pbtable and is beside its columns and indexes, without its view. */
export function changeObjects(table: Table, now: Date): readonly DdlObject[] {
  return [...historyObjects(table, now), ...publishObjects(table)];
}

/** Quoted name of the view of a table. */
export function viewIdentity(table: Table): string {
  return `${quoteIdentifier(table.schemaName)}.${quoteIdentifier(`${table.tableName}_view`)}`;
}

/** `schema.name` of what the histories of tables are read from. */
export function historyRelations(tables: readonly Table[]): readonly string[] {
  const kept = tables.filter((table) => table.history !== undefined);
  return kept.length === 0
    ? []
    : ["quartet.history_horizon", ...kept.map((table) => `${table.name}_history`)];
}

/**
 * Statements that create relations of schema `quartet`, as objects. One that creates none (a first row) belongs to the
 * one before it, and is run with it or not at all.
 */
function relationObjects(statements: readonly string[]): readonly DdlObject[] {
  const objects: DdlObject[] = [];
  for (const sql of statements) {
    const name = /create (?:table|index) if not exists (?:quartet\.)?(\w+)/.exec(sql)?.[1];
    const last = objects.at(-1);
    if (name !== undefined) {
      objects.push({ kind: "table", identity: `"quartet".${quoteIdentifier(name)}`, create: sql });
    } else if (last !== undefined) {
      objects[objects.length - 1] = { ...last, create: `${last.create};\n${sql}` };
    }
  }
  return objects;
}
