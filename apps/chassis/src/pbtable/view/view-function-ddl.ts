import { quoteBody, quoteIdentifier, quoteLiteral } from "../../schema/identifier.ts";
import { takesNull } from "../../schema/json/fit-json.ts";
import type { Column } from "../../schema/table/column.ts";
import type { Table } from "../../schema/table/table.ts";
import { firstFault } from "./view-fault.ts";
import {
  isChanged,
  isSet,
  newValue,
  oneofsOf,
  writableColumns,
  zeroJson,
  zeroLiteral,
} from "./view-value.ts";

/**
 * The function of the trigger that writes through a table's view.
 *
 * @param signature quoted name, with `()`
 * @param shown the columns of the view, `version` among them
 */
export function viewFunctionSql(table: Table, signature: string, shown: readonly string[]): string {
  const body = quoteBody(functionBody(table, shown));
  return (
    `create or replace function ${signature} returns trigger\n` +
    `language plpgsql security invoker set search_path = pg_catalog as ${body}`
  );
}

/**
 * One function for the three verbs: OLD is NULL in an INSERT, so "changed" means "given" there.
 *
 * All columns are named, so that a view which has just grown goes on taking writes until its function has grown, too.
 * Columns may have the names of the variables: columns are always qualified, variables never.
 */
function functionBody(table: Table, shown: readonly string[]): string {
  const readOnly = readOnlyFault(table, shown);
  return `
#variable_conflict use_variable
declare
  fault text[];
  changed jsonb;
  removed text[];
  own boolean;${readOnly === undefined ? "" : "\n  given record := NEW;"}
begin
  if TG_OP = 'DELETE' then
    delete from ${table.sqlName} t
    where ${sameRow(table, shown)};
    if found then return OLD; end if;
  else
    fault := ${firstFault(table)};
    if fault is not null then
      raise exception using errcode = fault[1], message = fault[2], ${place};
    end if;
    ${writeSql(table, shown)}
    if found then${readOnly ?? ""}
      return NEW;
    end if;
  end if;
  ${conflictSql(table)}
end
`;
}

/** What clients that print more than the message show of an error. */
const place = "schema = TG_TABLE_SCHEMA, table = TG_TABLE_NAME";

/** Sets NEW to the row as the view shows it afterwards. */
function writeSql(table: Table, shown: readonly string[]): string {
  const removed = removedKeys(table);
  const returning = `returning ${listOf("t", shown)}\n      into ${listOf("NEW", shown)}`;
  return `changed := ${changedKeys(table)};
    if TG_OP = 'INSERT' then
      insert into ${table.sqlName} as t (pb)
      values (${zeroRow(table)} || changed)
      ${returning};
    else${removed === undefined ? "" : `\n      removed := ${removed};`}
      update ${table.sqlName} t set version = t.version + 1,
        pb = ${removed === undefined ? "t.pb" : "(t.pb - removed)"} || changed
      where ${sameRow(table, shown)}
      ${returning};
    end if;`;
}

/** Ends what found no row as the statement read it. */
function conflictSql(table: Table): string {
  return `select t.xmin = pg_current_xact_id()::xid into own from ${table.sqlName} t where ${sameKey(table)};
  if not found then return null; end if; -- deleted meanwhile: nothing to do, as with a table
  if own then
    raise exception using errcode = '21000', ${place},
      message = ${quoteLiteral(`${table.viewName}: the statement changes a row twice`)};
  end if;
  raise exception using errcode = '40001', ${place}, hint = 'Run the transaction again.',
    message = ${quoteLiteral(`${table.viewName}: a concurrent change of the row won`)};`;
}

function sameKey(table: Table): string {
  return table.key.map(({ name }) => `${of("t", name)} = ${of("OLD", name)}`).join(" and ");
}

/**
 * SQL condition: the row is the one that the statement read, in every column. The version alone would not tell it from
 * a row that was deleted and inserted meanwhile.
 */
function sameRow(table: Table, shown: readonly string[]): string {
  return `${sameKey(table)}\n      and (${listOf("t", shown)})\n      is not distinct from (${listOf("OLD", shown)})`;
}

function of(row: string, name: string): string {
  return `${row}.${quoteIdentifier(name)}`;
}

function listOf(row: string, names: readonly string[]): string {
  return names.map((name) => of(row, name)).join(", ");
}

/** The JSON object of what the statement changes to a value. */
function changedKeys(table: Table): string {
  const nullable = writableColumns(table).filter(isJsonNullable);
  const entries = writableColumns(table).flatMap((column) => {
    if (nullable.includes(column)) return [];
    const zero = zeroLiteral(column.field);
    const json = column.toJson(newValue(column));
    const value = zero === undefined ? json : `coalesce(${json}, ${zero})`;
    return [
      `\n      ${quoteLiteral(column.field.jsonName)}: case when ${isChanged(column)} then ${value} end`,
    ];
  });
  const nulls = nullable.map((column) => {
    const entry = `jsonb_build_object(${quoteLiteral(column.field.jsonName)}, ${column.toJson(newValue(column))})`;
    return `\n      || case when ${isSet(column)} then ${entry} else '{}' end`;
  });
  return `json_object(${entries.join(",")}\n      absent on null returning jsonb)${nulls.join("")}`;
}

/** Whether JSON null is a value of the column, other than none: `absent on null` would leave it out. */
function isJsonNullable({ field }: Column): boolean {
  return (
    field.fieldKind !== "list" &&
    field.fieldKind !== "map" &&
    takesNull(field) &&
    zeroJson(field) === undefined
  );
}

/** The array of the keys of what the statement sets to NULL, and of every oneof of which it sets a member. */
function removedKeys(table: Table): string | undefined {
  const unset = writableColumns(table)
    .filter(({ field }) => zeroJson(field) === undefined)
    .map((column) => {
      const key = quoteLiteral(column.field.jsonName);
      return `\n        case when ${newValue(column)} is null and ${of("OLD", column.name)} is not null then ${key} end`;
    });
  const replaced = oneofsOf(table).map(({ keys, members }) => {
    const names = keys.map(quoteLiteral).join(", ");
    return `\n        || case when ${members.map(isSet).join(" or ")} then array[${names}] else '{}' end`;
  });
  // Members of oneofs have presence: where there is something to replace there is something to unset.
  return unset.length > 0
    ? `array_remove(array[${unset.join(",")}]::text[], null)${replaced.join("")}`
    : undefined;
}

/** The JSON object of the defaults, without which a row is not canonical. */
function zeroRow(table: Table): string {
  const entries = table.message.fields.flatMap((field) => {
    const zero = zeroJson(field);
    return zero === undefined ? [] : [[field.jsonName, zero] as const];
  });
  return `${quoteLiteral(JSON.stringify(Object.fromEntries(entries)))}::jsonb`;
}

/** Refuses values of columns that only show something, unless it is what they show of the row as written. */
function readOnlyFault(table: Table, shown: readonly string[]): string | undefined {
  const written = new Set(writableColumns(table).map(({ name }) => name));
  const names = shown.filter((name) => name !== "version" && !written.has(name));
  if (names.length === 0) return undefined;
  const branches = names.map((name) => {
    const given = of("given", name);
    const differs = `${given} is distinct from ${of("OLD", name)} and ${given} is distinct from ${of("NEW", name)}`;
    return `\n        when ${differs} then\n          ${quoteLiteral(whyReadOnly(table, name))}`;
  });
  return `
      fault[2] := case${branches.join("")}
      end;
      if fault[2] is not null then
        raise exception using errcode = '0A000', message = fault[2], ${place};
      end if;`;
}

function whyReadOnly(table: Table, name: string): string {
  const whole = table.columns.find((column) => column.name === name)?.path[0];
  const field = table.message.fields.find(({ jsonName }) => jsonName === whole);
  const why =
    field === undefined
      ? "the protos have no such column"
      : `it is a part of ${field.name}; write ${field.name}`;
  return `${table.viewName}: ${name} cannot be written: ${why}`;
}
