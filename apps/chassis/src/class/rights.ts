import type { Pool } from "pg";
import type { Table } from "../schema/table/table.ts";

/** What a login may do to one table. */
export interface TableRights {
  /** `schema.table`, unquoted. */
  readonly name: string;
  readonly exists: boolean;
  readonly select: boolean;
  readonly insert: boolean;
  readonly update: boolean;
  readonly delete: boolean;
  readonly truncate: boolean;
  /** May insert into or update some column at least. */
  readonly insertSome: boolean;
  readonly updateSome: boolean;
  /** Who this login has rights through, beside itself, and the roles' names: `public` and groups it is in. */
  readonly grantees: readonly string[];
}

/** What a login is and may do in one database. */
export interface LoginRights {
  readonly login: string;
  readonly database: string;
  /** The same on a primary and its replicas. */
  readonly systemId: string;
  readonly inRecovery: boolean;
  /** Group roles of Quartet that the login is a member of; none for a superuser, who is a member of all. */
  readonly groups: readonly string[];
  /** Attributes beyond LOGIN: superuser, createrole, createdb, replication, bypassrls. */
  readonly attributes: readonly string[];
  /** May create objects in these schemas. */
  readonly creatable: readonly string[];
  /** Lacks USAGE on these schemas, without which no right on their tables is of use. */
  readonly unusable: readonly string[];
  readonly tables: readonly TableRights[];
  readonly outbox: TableRights;
  readonly inbox: TableRights;
}

interface LoginRow {
  readonly login: string;
  readonly database: string;
  readonly system_id: string;
  readonly in_recovery: boolean;
  readonly groups: string[];
  readonly attributes: string[];
  readonly creatable: string[];
  readonly unusable: string[];
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
    systemId: row?.system_id ?? "",
    inRecovery: row?.in_recovery ?? false,
    groups: row?.groups ?? [],
    attributes: row?.attributes ?? [],
    creatable: row?.creatable ?? [],
    unusable: row?.unusable ?? [],
    tables: rest,
    outbox,
    inbox,
  };
}

function noRights(name: string): TableRights {
  const none = { select: false, insert: false, update: false, delete: false, truncate: false };
  return { name, exists: false, ...none, insertSome: false, updateSome: false, grantees: [] };
}

const loginSql = `select current_user as login, current_database() as database, pg_is_in_recovery() as in_recovery,
  (select system_identifier::text from pg_control_system()) as system_id,
  array(select g.rolname::text from pg_roles g where starts_with(g.rolname, 'quartet_') and g.oid <> r.oid
    and not r.rolsuper and pg_has_role(r.oid, g.oid, 'member')) as groups,
  array_remove(array[
    case when rolsuper then 'superuser' end, case when rolcreaterole then 'createrole' end,
    case when rolcreatedb then 'createdb' end, case when rolreplication then 'replication' end,
    case when rolbypassrls then 'bypassrls' end], null) as attributes,
  array(select n.nspname::text from pg_namespace n
    where n.nspname = any($1::text[]) and has_schema_privilege(n.oid, 'create')) as creatable,
  array(select n.nspname::text from pg_namespace n
    where n.nspname = any($1::text[]) and not has_schema_privilege(n.oid, 'usage')) as unusable
from pg_roles r where rolname = current_user`;

const tableSql = `select name, oid is not null as exists,
  coalesce(has_table_privilege(oid, 'select'), false) as select,
  coalesce(has_table_privilege(oid, 'insert'), false) as insert,
  coalesce(has_table_privilege(oid, 'update'), false) as update,
  coalesce(has_table_privilege(oid, 'delete'), false) as delete,
  coalesce(has_table_privilege(oid, 'truncate'), false) as truncate,
  coalesce(has_any_column_privilege(oid, 'insert'), false) as "insertSome",
  coalesce(has_any_column_privilege(oid, 'update'), false) as "updateSome",
  array(select distinct coalesce(quote_ident(g.rolname), 'public')
    from (select relacl as acl from pg_class where pg_class.oid = found.oid union all
      select attacl from pg_attribute where attrelid = found.oid) as granted,
      aclexplode(granted.acl) as entry left join pg_roles g on g.oid = entry.grantee
    where entry.grantee = 0 or (pg_has_role(entry.grantee, 'usage') and g.rolname <> current_user)) as grantees
from unnest($1::text[]) with ordinality as wanted (name, place)
left join lateral (select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = split_part(name, '.', 1) and c.relname = split_part(name, '.', 2)) found on true
order by place`;
