import type { ClientBase } from "pg";

/** A table as the catalogs have it, in Postgres' own words. */
export interface TableShape {
  /** `r` is a plain table; see pg_class.relkind. */
  readonly kind: string;
  /** Planner's estimate; -1 where the table was never analysed. */
  readonly rows: number;
  readonly pages: number;
  readonly columns: readonly ColumnShape[];
  readonly primaryKey: { readonly constraint: string; readonly columns: readonly string[] } | null;
  readonly indexes: readonly IndexShape[];
}

export interface ColumnShape {
  readonly name: string;
  /** As format_type says it, with its modifier. */
  readonly type: string;
  readonly notNull: boolean;
  readonly generated: "" | "stored" | "virtual";
  /** Generation expression, or default; null where there is none. */
  readonly expression: string | null;
}

export interface IndexShape {
  readonly name: string;
  /** False: its build did not end, or somebody said so; Postgres does not read it. */
  readonly valid: boolean;
  /** Of a unique constraint. */
  readonly constraint: string | null;
  /** All that makes it the index it is, without names. */
  readonly definition: string;
}

/**
 * Reads tables by their quoted names; those that are missing are not in the result. Run it with an empty search_path:
 * types outside pg_catalog are named with their schema then.
 */
export async function readTableShapes(
  client: ClientBase,
  sqlNames: readonly string[],
): Promise<ReadonlyMap<string, TableShape>> {
  const result = await client.query<{ name: string; shape: TableShape }>(tableShapesSql, [sqlNames]);
  return new Map(result.rows.map((row) => [row.name, row.shape]));
}

const columnsSql = `select coalesce(json_agg(json_build_object(
    'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'notNull', a.attnotnull,
    'generated', case a.attgenerated when 's' then 'stored' when 'v' then 'virtual' else '' end,
    'expression', pg_get_expr(d.adbin, d.adrelid)) order by a.attnum), '[]')
  from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped`;

const primaryKeySql = `select json_build_object('constraint', k.conname, 'columns',
    array(select a.attname from unnest(k.conkey) with ordinality as part(number, place)
      join pg_attribute a on a.attrelid = c.oid and a.attnum = part.number order by part.place))
  from pg_constraint k where k.conrelid = c.oid and k.contype = 'p'`;

const indexesSql = `select coalesce(json_agg(json_build_object(
    'name', ic.relname, 'valid', i.indisvalid,
    'constraint', (select k.conname from pg_constraint k
      where k.conrelid = i.indrelid and k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x')),
    'definition', json_build_array(am.amname, i.indisunique, i.indnullsnotdistinct, i.indnkeyatts,
      array(select pg_get_indexdef(i.indexrelid, part, false) from generate_series(1, i.indnatts) part),
      i.indoption::text, i.indclass::text, i.indcollation::text, pg_get_expr(i.indpred, i.indrelid))::text)
    order by ic.relname), '[]')
  from pg_index i join pg_class ic on ic.oid = i.indexrelid join pg_am am on am.oid = ic.relam
  where i.indrelid = c.oid`;

const tableShapesSql = `select wanted.name, json_build_object(
  'kind', c.relkind, 'rows', c.reltuples, 'pages', c.relpages,
  'columns', (${columnsSql}), 'primaryKey', (${primaryKeySql}), 'indexes', (${indexesSql})) as shape
from unnest($1::text[]) as wanted(name) join pg_class c on c.oid = to_regclass(wanted.name)`;
