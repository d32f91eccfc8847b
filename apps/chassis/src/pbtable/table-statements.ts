import { createHash } from "node:crypto";
import { fitsIdentifier, quoteIdentifier } from "../schema/identifier.ts";
import type { Table } from "../schema/table.ts";

/** The statements of one pbtable, built once and run as named statements. */
export interface TableStatements {
  readonly get: NamedText;
  readonly getMany: NamedText;
  readonly getForUpdate: NamedText;
  readonly insert: NamedText;
  readonly insertIfAbsent: NamedText;
  readonly replace: NamedText;
  readonly remove: NamedText;
}

export interface NamedText {
  readonly name: string;
  readonly text: string;
}

const statements = new WeakMap<Table, TableStatements>();

export function statementsOf(table: Table): TableStatements {
  const known = statements.get(table);
  if (known) return known;
  const built = buildStatements(table);
  statements.set(table, built);
  return built;
}

function buildStatements(table: Table): TableStatements {
  const name = (verb: string) => statementName(`${verb} ${table.name}`);
  const match = table.key
    .map((column, index) => `${quoteIdentifier(column.name)} = $${index + 1}::${column.sqlType}`)
    .join(" and ");
  const keyNames = table.key.map((column) => quoteIdentifier(column.name)).join(", ");
  const [first] = table.key;
  const next = table.key.length + 1;
  const from = `select pb::text as pb, version from ${table.sqlName}`;
  return {
    get: { name: name("get"), text: `${from} where ${match}` },
    getMany: {
      name: name("getMany"),
      text: first
        ? `${from} where ${quoteIdentifier(first.name)} = any($1::${first.sqlType}[])`
        : `${from} where false`,
    },
    getForUpdate: { name: name("lock"), text: `${from} where ${match} for update` },
    insert: { name: name("insert"), text: `insert into ${table.sqlName} (pb) values ($1::jsonb)` },
    insertIfAbsent: {
      name: name("insertIfAbsent"),
      text: `insert into ${table.sqlName} (pb) values ($1::jsonb) on conflict (${keyNames}) do nothing`,
    },
    replace: {
      name: name("replace"),
      text: `update ${table.sqlName} set pb = $${next}::jsonb, version = version + 1 where ${match}`,
    },
    remove: { name: name("remove"), text: `delete from ${table.sqlName} where ${match}` },
  };
}

/** Postgres cuts names of statements as it cuts identifiers; two tables' statements must not become one. */
function statementName(name: string): string {
  return fitsIdentifier(name) ? name : createHash("sha256").update(name).digest("hex").slice(0, 40);
}
