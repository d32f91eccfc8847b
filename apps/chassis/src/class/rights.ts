import type { Pool } from "pg";
import type { Table } from "../schema/table.ts";

/** What a login may do to one table. */
export interface TableRights {
  readonly name: string;
  readonly select: boolean;
  readonly insert: boolean;
  readonly update: boolean;
  readonly delete: boolean;
  readonly truncate: boolean;
}

/** What a login is and may do in one database. */
export interface LoginRights {
  readonly login: string;
  readonly database: string;
  readonly inRecovery: boolean;
  /** Attributes beyond LOGIN: superuser, createrole, createdb, replication, bypassrls. */
  readonly attributes: readonly string[];
  /** May create objects in these schemas. */
  readonly creatable: readonly string[];
  readonly tables: readonly TableRights[];
  readonly outbox: TableRights;
  readonly inbox: TableRights;
}

interface LoginRow {
  readonly login: string;
  readonly database: string;
  readonly in_recovery: boolean;
  readonly attributes: string[];
  readonly creatable: string[];
}

/** Asks a database what this login may do there. Names that do not exist count as no right. */
export async function readLoginRights(pool: Pool, tables: readonly Table[]): Promise<LoginRights> {
  const schemas = [...new Set(["quartet", ...tables.map((table) => table.schemaName)])];
  const login = await pool.query<LoginRow>({ text: loginSql, values: [schemas] });
  const names = ["quartet.outbox", "quartet.inbox", ...tables.map((table) => table.name)];
  const found = await pool.query<TableRights>({ text: tableSql, values: [names] });
  const [outbox = noRights("quartet.outbox"), inbox = noRights("quartet.inbox"), ...rest] = found.rows;
  const [row] = login.rows;
  return {
    login: row?.login ?? "",
    database: row?.database ?? "",
    inRecovery: row?.in_recovery ?? false,
    attributes: row?.attributes ?? [],
    creatable: row?.creatable ?? [],
    tables: rest,
    outbox,
    inbox,
  };
}

function noRights(name: string): TableRights {
  return { name, select: false, insert: false, update: false, delete: false, truncate: false };
}

const loginSql = `select current_user as login, current_database() as database, pg_is_in_recovery() as in_recovery,
  array_remove(array[
    case when rolsuper then 'superuser' end, case when rolcreaterole then 'createrole' end,
    case when rolcreatedb then 'createdb' end, case when rolreplication then 'replication' end,
    case when rolbypassrls then 'bypassrls' end], null) as attributes,
  array(select n.nspname::text from pg_namespace n
    where n.nspname = any($1::text[]) and has_schema_privilege(n.oid, 'create')) as creatable
from pg_roles where rolname = current_user`;

const tableSql = `select name,
  coalesce(has_table_privilege(oid, 'select'), false) as select,
  coalesce(has_table_privilege(oid, 'insert'), false) as insert,
  coalesce(has_table_privilege(oid, 'update'), false) as update,
  coalesce(has_table_privilege(oid, 'delete'), false) as delete,
  coalesce(has_table_privilege(oid, 'truncate'), false) as truncate
from unnest($1::text[]) with ordinality as wanted (name, place)
left join lateral (select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = split_part(name, '.', 1) and c.relname = split_part(name, '.', 2)) found on true
order by place`;
