import type { TestDatabase } from "../cluster/postgres/test-database.ts";

/** All that applies make in a database, as one text: the same text means the same database, rows aside. */
export async function snapshotCatalog(database: TestDatabase): Promise<string> {
  const parts = await Promise.all(queries.map((sql) => database.query(sql)));
  return JSON.stringify(parts, null, 1);
}

const ours = "n.nspname not like 'pg\\_%' and n.nspname not in ('information_schema', 'public')";
const sorted = (acl: string) => `array(select x::text from unnest(${acl}) x order by 1)`;

const queries = [
  `select n.nspname, ${sorted("n.nspacl")} as acl from pg_namespace n where ${ours} order by 1`,
  `select n.nspname, c.relname, c.relkind, ${sorted("c.relacl")} as acl, pg_get_expr(c.relpartbound, c.oid) as bound,
  array(select a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull || ' ' || a.attgenerated::text
      || ' ' || coalesce(pg_get_expr(d.adbin, d.adrelid), '')
    from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum) as columns,
  case when c.relkind = 'v' then pg_get_viewdef(c.oid) end as view
from pg_class c join pg_namespace n on n.oid = c.relnamespace where ${ours} order by 1, 2`,
  `select pg_get_indexdef(i.indexrelid) as index, i.indisvalid, i.indisprimary
from pg_index i join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
where ${ours} order by 1`,
  `select pg_get_functiondef(p.oid) as function, ${sorted("p.proacl")} as acl
from pg_proc p join pg_namespace n on n.oid = p.pronamespace where ${ours} order by 1`,
  `select pg_get_triggerdef(t.oid) as trigger, t.tgenabled
from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
where ${ours} and not t.tgisinternal order by 1`,
  `select p.pubname, p.pubinsert, p.pubupdate, p.pubviaroot, t.tablename
from pg_publication p left join pg_publication_tables t using (pubname) order by 1, 5`,
  `select count(*)::int as "open functions" from pg_proc p where pronamespace = 'pg_catalog'::regnamespace
and proname ~ '^(lo_|pg_(try_)?advisory)' and has_function_privilege('public', p.oid, 'execute')`,
  "select identity, source_hash, definition_hash from quartet.schema_object order by 1",
  "select sha256, build from quartet.schema_image order by id",
];
