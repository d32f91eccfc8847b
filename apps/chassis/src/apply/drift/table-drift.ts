import { columnSql, isKeyColumn, primaryKeySql } from "../../pbtable/table-ddl.ts";
import { quoteIdentifier } from "../../schema/identifier.ts";
import type { Column } from "../../schema/table/column.ts";
import type { Table } from "../../schema/table/table.ts";
import type { TableState } from "../catalog/read-catalog.ts";
import type { ColumnShape, TableShape } from "../catalog/table-shape.ts";
import { viewIdentity } from "../table-objects.ts";
import type { Drift } from "./drift.ts";
import { setAside } from "./set-aside.ts";

/** Where a pbtable's columns and key are not what the protos say. A column that is only missing is no drift. */
export function tableDrift({ table, shape, shadow }: TableState): readonly Drift[] {
  if (shape === undefined || shadow === undefined) return [];
  const pb = shape.columns.find(({ name }) => name === "pb");
  if (shape.kind !== "r" || pb?.type !== "jsonb" || pb.generated !== "") {
    return [foreignTable(table, shape)];
  }
  return [
    ...(pb.notNull ? [] : [pbDrift(table)]),
    ...versionDrift(table, shape),
    ...keyDrift(table, shape, shadow),
    ...table.columns
      .filter((column) => !isKeyColumn(table, column))
      .flatMap((column) => columnDrift(table, column, shape, shadow)),
    ...strangers(table, shape),
  ];
}

function foreignTable(table: Table, shape: TableShape): Drift {
  return {
    what: `${table.name} is no pbtable: it has no column pb of jsonb that is written`,
    mend: [setAside(table.sqlName, shape.kind)],
    note: "quartet apply then makes an empty table; nothing of the one that is there is lost",
    blocking: true,
  };
}

function pbDrift(table: Table): Drift {
  return {
    what: `column pb of ${table.name} may be null`,
    mend: [`alter table ${table.sqlName} alter column pb set not null`],
    note: `reads every row under ACCESS EXCLUSIVE; delete rows without pb first: delete from ${table.sqlName} where pb is null`,
  };
}

function versionDrift(table: Table, shape: TableShape): readonly Drift[] {
  const found = shape.columns.find(({ name }) => name === "version");
  const alter = `alter table ${table.sqlName}`;
  const what = `column version of ${table.name}`;
  if (found === undefined) {
    return [{ what: `${what} is missing`, mend: [`${alter} add column version bigint not null default 1`] }];
  }
  const rest = [
    ...(found.expression === "1" && found.generated === "" ? [] : ["alter column version set default 1"]),
    ...(found.notNull ? [] : ["alter column version set not null"]),
  ];
  if (found.type === "bigint" && rest.length === 0) return [];
  if (found.generated !== "") {
    const mend = `${alter} drop column version, add column version bigint not null default 1`;
    return [{ what: `${what} is generated`, mend: [`${dropView(table)};\n${mend}`], note: viewAgain }];
  }
  const fill = found.notNull ? [] : [`update ${table.sqlName} set version = 1 where version is null`];
  const type = found.type === "bigint" ? [] : ["alter column version type bigint"];
  const view = type.length > 0 ? [dropView(table)] : [];
  return [
    {
      what: `${what} is ${describe(found)}, not bigint not null default 1`,
      mend: [[...view, ...fill, `${alter} ${[...type, ...rest].join(", ")}`].join(";\n")],
      note: "reads every row under ACCESS EXCLUSIVE, and rewrites them where the type differs",
    },
  ];
}

/** Key columns and primary key are mended as one: dropping a column takes the key with it. */
function keyDrift(table: Table, shape: TableShape, shadow: TableShape): readonly Drift[] {
  const wrong = table.key.filter((column) => differs(column, shape, shadow) !== undefined);
  const columns = shape.primaryKey?.columns ?? [];
  const sameKey = columns.join() === table.key.map((column) => column.name).join();
  if (wrong.length === 0 && sameKey) return [];
  const present = wrong.filter((column) => shape.columns.some(({ name }) => name === column.name));
  const lost = present.some((column) => columns.includes(column.name));
  // Apart: in one statement Postgres takes the new column for the old one, and does not make it NOT NULL.
  const dropped = [
    ...(shape.primaryKey === null || lost
      ? []
      : [`drop constraint ${quoteIdentifier(shape.primaryKey.constraint)}`]),
    ...present.map((column) => `drop column ${quoteIdentifier(column.name)}`),
  ];
  const added = [
    ...wrong.map((column) => `add column ${columnSql(table, column)}`),
    `add ${primaryKeySql(table)}`,
  ];
  const alter = (parts: readonly string[]) =>
    parts.length === 0 ? [] : [`alter table ${table.sqlName} ${parts.join(", ")}`];
  const said = [
    ...wrong.map((column) => `key column ${column.name} ${differs(column, shape, shadow)}`),
    ...(sameKey ? [] : [`the primary key is (${columns.join(", ")})`]),
  ];
  const view = present.length > 0 ? [dropView(table)] : [];
  return [
    {
      what: `${table.name}: ${said.join("; ")}; the protos say ${primaryKeySql(table)}`,
      mend: [[...view, ...alter(dropped), ...alter(added)].join(";\n")],
      note: "rewrites the table under ACCESS EXCLUSIVE; indexes on a key column that is made anew are built by quartet apply",
      blocking: wrong.length > present.length,
    },
  ];
}

function columnDrift(table: Table, column: Column, shape: TableShape, shadow: TableShape): readonly Drift[] {
  const found = shape.columns.find(({ name }) => name === column.name);
  const how = differs(column, shape, shadow);
  if (found === undefined || how === undefined) return [];
  const what = `column ${column.name} of ${table.name} ${how}`;
  const name = quoteIdentifier(column.name);
  const wanted = shadow.columns.find((other) => other.name === column.name);
  if (found.type === wanted?.type && found.generated === "virtual") {
    const mend = `alter table ${table.sqlName} alter column ${name} set expression as (${column.expression})`;
    return [{ what, mend: [mend] }];
  }
  const own = found.generated === "";
  const mend = `alter table ${table.sqlName} drop column ${name}, add column ${columnSql(table, column)}`;
  return [
    {
      what,
      mend: [`${dropView(table)};\n${mend}`],
      note: own ? `what is in the column is lost; ${viewAgain}` : viewAgain,
    },
  ];
}

/** How a column is not as a new table would have it; undefined where it is. A missing one is only wrong in a key. */
function differs(column: Column, shape: TableShape, shadow: TableShape): string | undefined {
  const found = shape.columns.find(({ name }) => name === column.name);
  const wanted = shadow.columns.find(({ name }) => name === column.name);
  if (wanted === undefined) return undefined;
  if (found === undefined) return "is missing";
  const same =
    found.type === wanted.type &&
    found.generated === wanted.generated &&
    found.expression === wanted.expression;
  return same ? undefined : `is ${describe(found)}, not ${describe(wanted)}`;
}

function describe({ type, notNull, generated, expression }: ColumnShape): string {
  if (generated !== "") return `${type} ${generated} as (${expression})`;
  return `${type}${notNull ? " not null" : ""}${expression === null ? "" : ` default ${expression}`}`;
}

/** Columns that the protos do not have and that no former protos had: those were generated from pb. */
function strangers(table: Table, shape: TableShape): readonly Drift[] {
  const ours = new Set(["pb", "version", ...table.columns.map((column) => column.name)]);
  const own = shape.columns.filter(
    ({ name, generated, expression }) =>
      !ours.has(name) && (generated === "" || !/\bpb\b/.test(expression ?? "")),
  );
  return own.map((column) => ({
    what: `column ${column.name} of ${table.name} (${describe(column)}) is not of the protos`,
    mend: [`alter table ${table.sqlName} drop column ${quoteIdentifier(column.name)}`],
    note: "what is in the column is lost: bring it into a field of the message first",
  }));
}

const viewAgain = "quartet apply then makes the view again";

function dropView(table: Table): string {
  return `drop view if exists ${viewIdentity(table)}`;
}
