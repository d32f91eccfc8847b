import { QuartetError } from "../error/quartet-error.ts";
import { quoteIdentifier } from "../schema/identifier.ts";
import { inboxSql } from "./inbox-ddl.ts";

const defaultTable = "quartet.inbox";

/**
 * The statements that make an inbox in any database; they do nothing where it is. Rows are needed for as long as an event
 * may come again; `claimed_at` tells their age.
 *
 * @param table `schema.name`
 * @throws QuartetError `invalid_argument` for another form.
 */
export function inboxTableSql(table: string = defaultTable): readonly string[] {
  const { schema, name } = parseTable(table);
  const sqlName = inboxTableName(table);
  return [
    `create schema if not exists ${quoteIdentifier(schema)}`,
    ...inboxSql.map((sql) =>
      // Its indexes are in its schema, where another inbox may be.
      sql
        .replaceAll(defaultTable, sqlName)
        .replaceAll(/\binbox_(\w+_idx)\b/g, (_, rest) => quoteIdentifier(`${name}_${rest}`)),
    ),
  ];
}

/** The table's name for SQL. @throws QuartetError `invalid_argument` */
export function inboxTableName(table: string = defaultTable): string {
  const { schema, name } = parseTable(table);
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
}

function parseTable(table: string): { readonly schema: string; readonly name: string } {
  const [schema = "", name = "", ...more] = table.split(".");
  if (schema !== "" && name !== "" && more.length === 0) return { schema, name };
  throw new QuartetError("invalid_argument", `"${table}" is no table: schema.name.`, { field: "table" });
}
