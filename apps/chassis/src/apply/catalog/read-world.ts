import type { ClientBase } from "pg";
import { outboxPublication } from "../../outbox/outbox-ddl.ts";
import { guardedFunctions } from "../roles-ddl.ts";

/** What stands around the tables. */
export interface World {
  readonly database: string;
  readonly roles: ReadonlySet<string>;
  readonly schemas: ReadonlySet<string>;
  /** `schema.name` of every relation in the schemas asked for, with its pg_class.relkind. */
  readonly relations: ReadonlyMap<string, string>;
  /** Every right as {@link rightKey} names it. */
  readonly rights: ReadonlySet<string>;
  /**
   * Guarded functions of Postgres that everybody may call, as regprocedure prints them; only those whose rights this
   * login may change, which takes a superuser.
   */
  readonly openFunctions: readonly string[];
  /** This login may give and take rights on functions of Postgres. */
  readonly superuser: boolean;
  /** `schema.name` of relations with row level security. */
  readonly rowSecurity: ReadonlySet<string>;
  readonly publication: PublicationShape | undefined;
}

/** What the outbox publication carries. */
export interface PublicationShape {
  readonly allTables: boolean;
  readonly operations: string;
  readonly viaRoot: boolean;
  /** `schema.name`, followed by what narrows it: a row filter, a list of columns. */
  readonly tables: readonly string[];
  readonly schemas: readonly string[];
}

/** What a right is on. */
export type RightKind = "database" | "schema" | "relation" | "function";

/** One name for one right. `object` is unquoted: `schema`, `schema.name`, or a function as regprocedure prints it. */
export function rightKey(kind: RightKind, object: string, role: string, privilege: string): string {
  return [kind, object, role, privilege.toLowerCase()].join(" ");
}

/** Reads roles, schemas, relations, rights and the publication, for the schemas given. */
export async function readWorld(client: ClientBase, schemas: readonly string[]): Promise<World> {
  const result = await client.query<WorldRow>(worldSql, [schemas, outboxPublication, guardedFunctions]);
  const row = result.rows[0];
  if (row === undefined) throw new Error("a query without from gave no row");
  return {
    database: row.database,
    roles: new Set(row.roles),
    schemas: new Set(row.schemas),
    relations: new Map(row.relations),
    rights: new Set(
      row.rights.map(([kind, object, role, privilege]) =>
        rightKey(kind === "guarded" ? "function" : kind, object, role, privilege),
      ),
    ),
    openFunctions: row.rights.flatMap(([kind, object, role]) =>
      row.superuser && kind === "guarded" && role === "public" ? [object] : [],
    ),
    superuser: row.superuser,
    rowSecurity: new Set(row.rowSecurity),
    publication: row.publication ?? undefined,
  };
}

interface WorldRow {
  readonly database: string;
  readonly roles: readonly string[];
  readonly schemas: readonly string[];
  readonly relations: readonly [string, string][];
  readonly rights: readonly [RightKind | "guarded", string, string, string][];
  readonly rowSecurity: readonly string[];
  readonly superuser: boolean;
  readonly publication: PublicationShape | null;
}

/** One row per right; the owner's own are left out, and what nobody changed is what Postgres gives by default. */
const rightsSql = `select 'database' as kind, d.datname::text as object, d.datdba as owner,
    coalesce(d.datacl, acldefault('d', d.datdba)) as acl from pg_database d where d.datname = current_database()
  union all select 'schema', n.nspname, n.nspowner, n.nspacl from pg_namespace n where n.nspname = any($1)
  union all select 'relation', n.nspname || '.' || c.relname, c.relowner, c.relacl
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = any($1) and c.relkind in ('r', 'p', 'v')
  union all select 'function', p.oid::regprocedure::text, p.proowner, coalesce(p.proacl, acldefault('f', p.proowner))
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname = 'quartet'
  union all select 'guarded', p.oid::regprocedure::text, p.proowner, coalesce(p.proacl, acldefault('f', p.proowner))
    from pg_proc p where p.pronamespace = 'pg_catalog'::regnamespace and p.proname ~ $3`;

const publicationSql = `select json_build_object('allTables', p.puballtables, 'viaRoot', p.pubviaroot,
    'operations', concat_ws(', ', case when p.pubinsert then 'insert' end, case when p.pubupdate then 'update' end,
      case when p.pubdelete then 'delete' end, case when p.pubtruncate then 'truncate' end),
    'tables', array(select n.nspname || '.' || c.relname || coalesce(' where ' || pg_get_expr(r.prqual, r.prrelid), '')
        || coalesce(' columns ' || r.prattrs::text, '')
      from pg_publication_rel r join pg_class c on c.oid = r.prrelid join pg_namespace n on n.oid = c.relnamespace
      where r.prpubid = p.oid order by 1),
    'schemas', array(select n.nspname from pg_publication_namespace s join pg_namespace n on n.oid = s.pnnspid
      where s.pnpubid = p.oid order by 1))
  from pg_publication p where p.pubname = $2`;

const worldSql = `select current_database()::text as database,
  (select rolsuper from pg_roles where rolname = current_user) as superuser,
  array(select rolname::text from pg_roles where rolname like 'quartet\\_%') as roles,
  array(select nspname::text from pg_namespace) as schemas,
  (select coalesce(json_agg(json_build_array(n.nspname || '.' || c.relname, c.relkind)), '[]')
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = any($1)) as relations,
  (select coalesce(json_agg(json_build_array(o.kind, o.object, coalesce(r.rolname, 'public'), x.privilege_type)), '[]')
    from (${rightsSql}) o, aclexplode(o.acl) x left join pg_roles r on r.oid = x.grantee
    where x.grantee <> o.owner) as rights,
  array(select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = any($1) and (c.relrowsecurity or c.relforcerowsecurity)) as "rowSecurity",
  (${publicationSql}) as publication`;
