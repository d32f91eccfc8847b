import { classBudgetMs } from "../edge/statement-budget.ts";
import { quoteIdentifier, quoteLiteral } from "../schema/identifier.ts";

/** The group roles; logins are made members of one. Rights are of DESIGN's table of classes, and nothing beyond. */
export const groupRoles = ["quartet_crud", "quartet_micro", "quartet_nano", "quartet_relay"] as const;

/** Creates a group role. Two databases of one server share them, so another apply may be faster. */
export function createRoleSql(role: string): string {
  return `do $$ begin create role ${role} nologin;
exception when duplicate_object or unique_violation then null; end $$`;
}

/**
 * Functions that leave something behind and that no grant on a table guards; everybody may call them unless told
 * otherwise. Large objects are durable data, advisory locks hold up whoever shares them, and logical messages are written
 * to the WAL (which the relay does, to know that it goes on). A regular expression over their names in pg_catalog.
 */
export const guardedFunctions =
  "^(lo_(creat|create|from_bytea|put|truncate|truncate64|unlink|import)|lowrite|pg_(try_)?advisory_.*|pg_logical_emit_message)$";

/**
 * A login of a class; one that was of another class is so no longer. REPLICATION is an attribute, not a right, so a
 * group cannot hand it on. Nor can it hand on settings: the class' statement budget is one of the login itself. An owner
 * who wants another one says `alter role … set statement_timeout`, which processes take from their next start on.
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
alter role ${name} ${budgetSql(role)};
do ${quoteLiteral(leaveOtherGroups(login, role))};
grant ${role} to ${name}`;
}

/** The relay is infrastructure: its work is long by nature, and has limits of its own. */
function budgetSql(role: (typeof groupRoles)[number]): string {
  if (role === "quartet_relay") return "reset statement_timeout";
  const serviceClass = { quartet_crud: "crud", quartet_micro: "micro", quartet_nano: "nano" } as const;
  return `set statement_timeout = '${classBudgetMs[serviceClass[role]]}ms'`;
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
