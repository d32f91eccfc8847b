import { quoteIdentifier, quoteLiteral } from "../schema/identifier.ts";
import type { Table } from "../schema/table.ts";

/** The group roles; logins are made members of one. Rights are of DESIGN's table of classes, and nothing beyond. */
export const groupRoles = ["quartet_crud", "quartet_micro", "quartet_nano", "quartet_relay"] as const;

/** Creates the group roles where they are missing. Two databases of one server share them. */
export function createRolesSql(): readonly string[] {
  return groupRoles.map(
    (role) => `do $$ begin create role ${role} nologin;
exception when duplicate_object or unique_violation then null; end $$`,
  );
}

/**
 * Functions that leave something behind and that no grant on a table guards; everybody may call them unless told
 * otherwise. Large objects are durable data, advisory locks hold up whoever shares them (the relay's lease is one), and
 * logical messages are written to the WAL.
 */
const guardedFunctions =
  "^(lo_(creat|create|from_bytea|put|truncate|truncate64|unlink|import)|lowrite|pg_(try_)?advisory_.*|pg_logical_emit_message)$";

/** What everybody may do in a new database, and nobody of ours needs. */
function revokePublicSql(database: string): readonly string[] {
  const revoke = `declare guarded regprocedure;
begin
  for guarded in select oid from pg_proc
    where pronamespace = 'pg_catalog'::regnamespace and proname ~ ${quoteLiteral(guardedFunctions)}
  loop execute format('revoke execute on function %s from public', guarded); end loop;
end`;
  return [
    `revoke temporary on database ${quoteIdentifier(database)} from public`,
    `do ${quoteLiteral(revoke)}`,
    "grant execute on function pg_catalog.pg_try_advisory_lock(bigint) to quartet_relay",
  ];
}

/**
 * Grants on the main database.
 *
 * @param dedicated events have a database of their own: what a micro may publish to is there and no longer here
 */
export function mainGrantsSql(
  tables: readonly Table[],
  database: string,
  dedicated: boolean,
): readonly string[] {
  const names = tables.map((table) => table.sqlName).join(", ");
  const schemas = [...new Set(["quartet", ...tables.map((table) => table.schemaName)])]
    .map(quoteIdentifier)
    .join(", ");
  return [
    ...revokePublicSql(database),
    `grant usage on schema ${schemas} to quartet_crud, quartet_micro, quartet_nano`,
    "grant usage on schema quartet to quartet_relay",
    `grant select on ${names} to quartet_nano, quartet_micro`,
    `grant select, insert, update, delete on ${names} to quartet_crud`,
    "grant insert on quartet.outbox, quartet.inbox to quartet_crud",
    "grant select on quartet.outbox to quartet_relay",
    ...(dedicated ? ["revoke insert on quartet.outbox, quartet.inbox from quartet_micro"] : []),
  ];
}

/** Grants on the events database. */
export function eventsGrantsSql(
  logTables: readonly string[],
  relayTables: readonly Table[],
  database: string,
): readonly string[] {
  const names = [
    ...logTables.map((name) => `quartet.${quoteIdentifier(name)}`),
    ...relayTables.map((table) => table.sqlName),
  ].join(", ");
  return [
    ...revokePublicSql(database),
    "grant usage on schema quartet to quartet_micro, quartet_relay",
    "grant insert on quartet.outbox, quartet.inbox to quartet_micro",
    `grant select, insert, update, delete on ${names} to quartet_relay`,
    "grant select, insert on quartet.outbox to quartet_relay",
  ];
}

/**
 * A login of a class; one that was of another class is so no longer. REPLICATION is an attribute, not a right, so a
 * group cannot hand it on.
 *
 * @param role one of `groupRoles`
 */
export function createLoginSql(login: string, password: string, role: (typeof groupRoles)[number]): string {
  const name = quoteIdentifier(login);
  const attributes = role === "quartet_relay" ? "login replication" : "login";
  const create = `begin create role ${name} ${attributes};
exception when duplicate_object or unique_violation then null; end`;
  return `do ${quoteLiteral(create)};
alter role ${name} with ${attributes} password ${quoteLiteral(password)};
do ${quoteLiteral(leaveOtherGroups(login, role))};
grant ${role} to ${name}`;
}

/** Revokes only what was granted: Postgres warns of any other revoke. */
function leaveOtherGroups(login: string, role: string): string {
  const others = groupRoles.filter((other) => other !== role).map(quoteLiteral);
  return `declare other text;
begin
  for other in select g.rolname from pg_auth_members m join pg_roles g on g.oid = m.roleid
    join pg_roles l on l.oid = m.member where l.rolname = ${quoteLiteral(login)} and g.rolname in (${others.join(", ")})
  loop execute format('revoke %I from %I', other, ${quoteLiteral(login)}); end loop;
end`;
}
