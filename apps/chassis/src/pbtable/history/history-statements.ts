import { quoteIdentifier, quoteLiteral } from "../../schema/identifier.ts";
import type { Table } from "../../schema/table/table.ts";
import type { Statement } from "../../sql/sql-client.ts";
import { nameStatement } from "../table-statements.ts";
import { historyNames } from "./history-names.ts";

/** The statements that read one pbtable's history, built once and run as named statements. */
export interface HistoryStatements {
  /** Key, place or null, limit. */
  readonly changesOf: Statement;
  /** Key, time. */
  readonly asOf: Statement;
  /** Time, page size. */
  readonly firstPage: Statement;
  /** Key, time, page size. */
  readonly nextPage: Statement;
}

const statements = new WeakMap<Table, HistoryStatements>();

export function historyStatementsOf(table: Table): HistoryStatements {
  const known = statements.get(table);
  if (known) return known;
  const built = buildStatements(table);
  statements.set(table, built);
  return built;
}

function buildStatements(table: Table): HistoryStatements {
  return {
    changesOf: nameStatement(table, changesOfSql(table)),
    asOf: nameStatement(table, asOfSql(table)),
    firstPage: nameStatement(table, pageSql(table, false)),
    nextPage: nameStatement(table, pageSql(table, true)),
  };
}

function changesOfSql(table: Table): string {
  const { table: history, column } = historyNames(table);
  const next = table.key.length + 1;
  return `select ${column.place} as place, version, ${column.operation} as operation,
  floor(extract(epoch from ${column.changed_at}))::bigint as seconds,
  (extract(microseconds from ${column.changed_at})::int % 1000000) as micros,
  ${column.login} as login, ${column.principal} as principal, ${column.operation_id} as operation_id,
  ${column.patch} as patch, ${column.undo} as undo
from ${history} where ${matchSql(table)} and ($${next}::bigint is null or ${column.place} < $${next}::bigint)
order by ${column.place} desc limit $${next + 1}::int`;
}

function asOfSql(table: Table): string {
  const { table: history, column } = historyNames(table);
  const time = `$${table.key.length + 1}::timestamptz`;
  return `select quartet.roll_back(
    (select pb from ${table.sqlName} where ${matchSql(table)}),
    array(select ${column.undo} from ${history}
      where ${matchSql(table)} and ${column.changed_at} > ${time} order by ${column.place} desc)
  )::text as pb, ${tooEarlySql(table, time)} as too_early_for`;
}

/**
 * A page of keys that are there now or were changed since, each rolled back. Never without a row: one without a key
 * says when the time is too early.
 */
function pageSql(table: Table, next: boolean): string {
  const { table: history, column } = historyNames(table);
  const names = table.key.map(({ name }) => quoteIdentifier(name));
  const keys = names.join(", ");
  const bound = next ? names.length : 0;
  const [time, size] = [`$${bound + 1}::timestamptz`, `$${bound + 2}::int`];
  const from = table.key.map(({ sqlType }, index) => `$${index + 1}::${sqlType}`).join(", ");
  const after = next ? `(${keys}) > (${from})` : "true";
  const same = (alias: string) => names.map((name) => `${alias}.${name} = page.${name}`).join(" and ");
  return `with page as (
  select ${keys} from (
    (select ${keys} from ${table.sqlName} where ${after} order by ${keys} limit ${size})
    union
    (select distinct ${keys} from ${history} where ${after} and ${column.changed_at} > ${time}
      order by ${keys} limit ${size})
  ) as found order by ${keys} limit ${size}
)
select case when page.${names[0]} is not null then array[${names.map((name) => `page.${name}::text`).join(", ")}] end as key,
  quartet.roll_back(
    (select live.pb from ${table.sqlName} as live where ${same("live")}),
    array(select change.${column.undo} from ${history} as change
      where ${same("change")} and change.${column.changed_at} > ${time} order by change.${column.place} desc)
  )::text as pb, since.too_early_for
from (select ${tooEarlySql(table, time)} as too_early_for) as since left join page on true
order by ${names.map((name) => `page.${name}`).join(", ")}`;
}

function matchSql(table: Table): string {
  return table.key
    .map((column, index) => `${quoteIdentifier(column.name)} = $${index + 1}::${column.sqlType}`)
    .join(" and ");
}

/** Since when the history is kept, when the time is before that; else null. */
function tooEarlySql(table: Table, time: string): string {
  return `(select to_char(horizon at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') from quartet.history_horizon
    where table_name = ${quoteLiteral(table.name)} and horizon > ${time})`;
}
