import { quoteIdentifier } from "../../schema/identifier.ts";
import type { Table } from "../../schema/table/table.ts";
import type { DdlObject } from "../ddl-object.ts";
import { viewFunctionSql } from "./view-function-ddl.ts";

/*
 * Why a trigger and not INSTEAD rules. Measured on PostgreSQL 18.4, fsync on, two cores, 12 columns of most types;
 * medians of five interleaved rounds. "Checked" rules compare the version in a function, which the recheck of a
 * concurrently updated row runs again.
 *
 *                                            trigger   rules   checked rules
 *   update of one row, in a transaction, µs      249     258             243
 *   insert of one row with RETURNING, µs         229     188             202
 *   updates of one row each, 4 connections, /s 3,739   4,024           4,554
 *   update of 10,000 rows, ms                    994     171             163
 *   insert … select of 10,000 rows, ms           860     130             143
 *   4 connections × 250 times n = n + 1            0     677               0   updates lost
 *
 * Rows one by one cost the same; rules are six times as fast in bulk, where a trigger still does 10,000 rows a second.
 * But rules check rights as their owner, security_invoker or not: a login that may only read the table could write it
 * after a mistaken grant on the view (tried). They know no MERGE, no COPY, and evaluate an expression of the statement
 * once for every mention of its column. Both know RETURNING, neither knows ON CONFLICT (DO UPDATE is refused; before a
 * trigger DO NOTHING has no effect). Of the trigger's time in bulk, comparing whole rows is a tenth, RETURNING another.
 */

/**
 * The relational view of a table, with what makes it writable: `"schema"."table_view"`.
 *
 * It shows every column and `version`, and takes INSERT, UPDATE, DELETE, MERGE and COPY by plain columns, of any number
 * of rows, with RETURNING; not ON CONFLICT. What it does not show of a row (unknown keys, hidden fields, nanoseconds) an
 * update leaves as it is. A row that changed between being read and written by a statement is a serialization failure
 * (40001). It gives nobody a right: who writes through it needs the same right on the table.
 *
 * @param existing names of the columns that the view in the database has, in order; none when there is no view. They
 * keep their places, for Postgres only lets a view grow; those that the protos no longer have can be read, not written.
 */
export function viewObjects(table: Table, existing: readonly string[]): readonly DdlObject[] {
  const name = `${table.tableName}_view`;
  const view = `${quoteIdentifier(table.schemaName)}.${quoteIdentifier(name)}`;
  const writer = `${quoteIdentifier(table.schemaName)}.${quoteIdentifier(`${name}_write`)}()`;
  const trigger = `${quoteIdentifier(`${name}_write`)} on ${view}`;
  const shown = [...new Set([...existing, ...table.columns.map((column) => column.name), "version"])];
  return [
    { kind: "view", identity: view, create: viewSql(table, view, shown) },
    { kind: "function", identity: writer, create: viewFunctionSql(table, writer, shown) },
    {
      kind: "trigger",
      identity: trigger,
      create:
        `create or replace trigger ${quoteIdentifier(`${name}_write`)} instead of insert or update or delete\n` +
        `on ${view} for each row execute function ${writer}`,
    },
  ];
}

/** Readers need rights of their own on the table: a grant on the view alone is worth nothing. */
function viewSql(table: Table, view: string, shown: readonly string[]): string {
  const columns = shown.map((name) => `t.${quoteIdentifier(name)}`).join(", ");
  return `create or replace view ${view} with (security_invoker = true) as\nselect ${columns} from ${table.sqlName} t`;
}
