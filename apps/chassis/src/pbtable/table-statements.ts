import { fitsIdentifier, quoteIdentifier } from "../schema/identifier.ts";
import type { Table } from "../schema/table/table.ts";
import { type MaybeNamed, nameOf, StatementNames } from "../sql/statement-names.ts";
import { manyKeysSql } from "./many-keys.ts";

/**
 * The statements of one pbtable, built once and run as named statements. `$1` and on are the key's values, in order;
 * what else a statement takes comes after them.
 */
export interface TableStatements {
  readonly get: NamedText;
  /** Takes one array per key column, each key once. */
  readonly getMany: NamedText;
  readonly getForUpdate: NamedText;
  /** Takes the JSON alone. */
  readonly insert: NamedText;
  /** Takes a JSON array of rows alone. */
  readonly insertMany: NamedText;
  /** Takes the JSON alone. */
  readonly insertIfAbsent: NamedText;
  /** Takes the JSON, and the version the row must have. */
  readonly replace: NamedText;
  /** Takes the keys to remove from the JSON, and the JSON object to lay over it. Leaves a row alone that has it all. */
  readonly patch: NamedText;
  /** As `patch`, and the version the row must have. */
  readonly patchVersion: NamedText;
  readonly remove: NamedText;
  /** Takes the version the row must have. */
  readonly removeVersion: NamedText;
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
  const named = (verb: string, text: string) => ({ name: statementName(`${verb} ${table.name}`), text });
  const { sqlName, key } = table;
  const keyNames = key.map((column) => quoteIdentifier(column.name)).join(", ");
  const match = key
    .map((column, index) => `${quoteIdentifier(column.name)} = $${index + 1}::${column.sqlType}`)
    .join(" and ");
  const next = key.length + 1;
  const from = `select pb::text as pb, version from ${sqlName}`;
  const [removed, laid] = [`$${next}::text[]`, `$${next + 1}::jsonb`];
  // Removing keys makes a new value of the whole row, so it is not done for keys that are not there.
  const kept = `case when pb ?| ${removed} then pb - ${removed} else pb end`;
  // A tenth of the cost of comparing the two; lists that only lost elements are missed, and found under the lock.
  const changes = `(pb ?| ${removed} or not pb @> ${laid})`;
  const patch =
    `update ${sqlName} set pb = (${kept}) || ${laid}, version = version + 1 ` +
    `where ${match} and ${changes}`;
  const insert = `insert into ${sqlName} (pb)`;
  return {
    get: named("get", `${from} where ${match}`),
    getMany: named("getMany", manyKeysSql(table, { columns: "t.pb::text as pb, t.version" })),
    getForUpdate: named("lock", `${from} where ${match} for update`),
    insert: named("insert", `${insert} values ($1::jsonb)`),
    insertMany: named("insertMany", `${insert} select * from jsonb_array_elements($1::jsonb)`),
    insertIfAbsent: named(
      "insertIfAbsent",
      `${insert} values ($1::jsonb) on conflict (${keyNames}) do nothing`,
    ),
    replace: named(
      "replace",
      `update ${sqlName} set pb = $${next}::jsonb, version = version + 1 ` +
        `where ${match} and version = $${next + 1}::bigint returning version`,
    ),
    patch: named("patch", `${patch} returning version`),
    patchVersion: named("patchVersion", `${patch} and version = $${next + 2}::bigint returning version`),
    remove: named("delete", `delete from ${sqlName} where ${match}`),
    removeVersion: named(
      "deleteVersion",
      `delete from ${sqlName} where ${match} and version = $${next}::bigint`,
    ),
  };
}

/** Shapes of a table's lists. */
const maxShapes = 100;
const shapes = new WeakMap<Table, StatementNames>();

/** Names a statement whose text depends on a query. */
export function nameStatement(table: Table, text: string): MaybeNamed {
  const names = shapes.get(table) ?? new StatementNames(maxShapes);
  shapes.set(table, names);
  return names.name(text);
}

/** Postgres cuts names of statements as it cuts identifiers; two tables' statements must not become one. */
function statementName(name: string): string {
  return fitsIdentifier(name) ? name : nameOf(name);
}
