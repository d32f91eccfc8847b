import { createHash } from "node:crypto";
import type { ClientBase } from "pg";
import type { DdlObject } from "../../pbtable/ddl-object.ts";
import { quoteLiteral } from "../../schema/identifier.ts";

/** A view, function, trigger or history table as it is, and as the last apply left it. */
export interface ObjectState {
  /** Hash of what Postgres shows of it, with the major version that showed it; null where it does not exist. */
  readonly definition: string | null;
  /** Null where no apply made it. */
  readonly recorded: { readonly source: string; readonly definition: string | null } | null;
  /** A function with its owner's rights that everybody may call. */
  readonly open: boolean;
}

/** Hash of our own text for an object. */
export function sourceHash(object: DdlObject): string {
  return createHash("sha256").update(object.create).digest("hex");
}

/** Reads the state of objects, by identity. */
export async function readObjectStates(
  client: ClientBase,
  objects: readonly DdlObject[],
  recordsExist: boolean,
): Promise<ReadonlyMap<string, ObjectState>> {
  const records = recordsExist ? "quartet.schema_object" : noRecords;
  const result = await client.query<{ identity: string } & ObjectState>(
    // Materialized: put together anew for each object, 300 tables took seconds.
    `with triggers as materialized (${triggersSql}) select object.identity, ${definitionHash} as definition,
  (select json_build_object('source', r.source_hash, 'definition', r.definition_hash)
    from ${records} r where r.identity = object.identity) as recorded,
  object.kind = 'function' and exists (select from pg_proc p where p.oid = to_regprocedure(object.identity)
    and p.prosecdef and has_function_privilege('public', p.oid, 'execute')) as open
from unnest($1::text[], $2::text[]) as object(kind, identity)`,
    [objects.map((object) => object.kind), objects.map((object) => object.identity)],
  );
  return new Map(result.rows.map(({ identity, ...state }) => [identity, state]));
}

/** Notes how an object was left; belongs into the transaction that made it. */
export function noteObjectSql(object: DdlObject): string {
  const values = [object.kind, object.identity, sourceHash(object)].map(quoteLiteral);
  return `select quartet.note_object(${values.join(", ")})`;
}

/** Names of a view's columns, in order; none where there is no such view. */
export async function readViewColumns(
  client: ClientBase,
  sqlNames: readonly string[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const result = await client.query<{ name: string; columns: string[] }>(
    `select wanted.name, array(select a.attname::text from pg_attribute a
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum) as columns
from unnest($1::text[]) as wanted(name)
join pg_class c on c.oid = to_regclass(wanted.name) and c.relkind = 'v'`,
    [sqlNames],
  );
  return new Map(result.rows.map((row) => [row.name, row.columns]));
}

const noRecords =
  "(select null::text as identity, null::text as source_hash, null::text as definition_hash where false)";

const triggersSql = `select '"' || replace(t.tgname, '"', '""') || '" on "' || replace(n.nspname, '"', '""') || '"."'
      || replace(c.relname, '"', '""') || '"' as identity,
    t.tgenabled::text || ' ' || pg_get_triggerdef(t.oid) as definition
  from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
  where not t.tgisinternal and t.tgparentid = 0`;

const viewDefinition = `(select concat_ws(E'\\n', c.relkind::text, c.reloptions::text, pg_get_viewdef(c.oid),
    (select string_agg(r.definition, E'\\n' order by r.rulename) from pg_rules r
      where r.schemaname = c.relnamespace::regnamespace::name and r.tablename = c.relname and r.rulename <> '_RETURN'),
    array(select a.attname || ' ' || format_type(a.atttypid, a.atttypmod) from pg_attribute a
      where a.attrelid = c.oid and a.attnum > 0 order by a.attnum)::text)
  from pg_class c where c.oid = to_regclass(object.identity))`;

const definition = `case object.kind
    when 'function' then pg_get_functiondef(to_regprocedure(object.identity))
    when 'trigger' then (select t.definition from triggers t where t.identity = object.identity)
    when 'table' then (select c.relkind::text from pg_class c where c.oid = to_regclass(object.identity))
    else ${viewDefinition} end`;

/** Another major version may word the same definition differently, so it is part of what is compared. */
const definitionHash = `(current_setting('server_version_num')::int / 10000)::text || ':'
    || encode(sha256(convert_to(${definition}, 'UTF8')), 'hex')`;

/**
 * What apply made, so that a later one knows what is current and what somebody replaced. Without a definition: it could
 * not be made, such as a partition whose rows are in the default one already, and is not tried again.
 *
 * The function notes an object as it is now, in the words of a session with the settings that apply has.
 */
export const objectTableSql = `create table if not exists quartet.schema_object (
  identity text primary key,
  source_hash text not null,
  definition_hash text
);
create or replace function quartet.note_object(kind text, identity text, source_hash text) returns void
language sql set search_path = '' set timezone = 'UTC' set datestyle = 'ISO, MDY' set intervalstyle = 'postgres'
set quote_all_identifiers = off
as $function$
with triggers as (${triggersSql})
insert into quartet.schema_object (identity, source_hash, definition_hash)
select object.identity, $3, ${definitionHash}
from (values ($1, $2)) as object(kind, identity)
on conflict (identity) do update set source_hash = excluded.source_hash, definition_hash = excluded.definition_hash
$function$`;
