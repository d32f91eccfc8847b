import type { Pool } from "pg";
import { quoteIdentifier } from "../../schema/identifier.ts";

/** A table as a database has it. */
export interface StoredTable {
  /** `schema.table`, unquoted. */
  readonly name: string;
  /** Quoted, for SQL. */
  readonly sqlName: string;
  readonly readable: boolean;
  readonly columns: ReadonlySet<string>;
  /** The primary key; rows are read in its order. */
  readonly key: readonly KeyColumn[];
  /** Pages of the table and all its partitions, without what is stored out of line. */
  readonly pages: number;
}

export interface KeyColumn {
  readonly name: string;
  readonly sqlType: string;
}

/** Looks the table up in the catalog, which any login may read. Undefined when there is none of the name. */
export async function readStoredTable(
  pool: Pool,
  schema: string,
  table: string,
): Promise<StoredTable | undefined> {
  const result = await pool.query<{
    readable: boolean;
    columns: string[];
    key: KeyColumn[] | null;
    pages: number;
  }>(
    `select has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select') as readable,
  (select array_agg(attname::text) from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped) as columns,
  (select json_agg(json_build_object('name', a.attname, 'sqlType', format_type(a.atttypid, a.atttypmod)) order by k.place)
    from pg_index i cross join unnest(i.indkey::int[]) with ordinality as k(attnum, place)
    join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
    where i.indrelid = c.oid and i.indisprimary) as key,
  (coalesce((select sum(pg_relation_size(relid)) from pg_partition_tree(c.oid) where isleaf), pg_relation_size(c.oid))
    / current_setting('block_size')::int)::float8 as pages
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = $1 and c.relname = $2 and c.relkind in ('r', 'p')`,
    [schema, table],
  );
  const [row] = result.rows;
  if (row === undefined) return undefined;
  return {
    name: `${schema}.${table}`,
    sqlName: `${quoteIdentifier(schema)}.${quoteIdentifier(table)}`,
    readable: row.readable,
    columns: new Set(row.columns),
    key: row.key ?? [],
    pages: row.pages,
  };
}
