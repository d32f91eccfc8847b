import type { Client } from "pg";
import type { Finding } from "./finding.ts";

/** Examines whether the login that asks may capture a database's outbox, and read it for a repair. Only reads. */
export async function examineLogin(client: Client, part: string): Promise<readonly Finding[]> {
  const { rows } = await client.query<LoginFacts>(loginSql);
  const [facts] = rows;
  if (facts === undefined) throw new TypeError("a select without a from clause has a row");
  if (facts.replicates) return [];
  return [
    {
      level: "warning",
      part,
      what: `the login ${facts.login} has not REPLICATION, so it can capture nothing, unless the server grants that otherwise`,
      fix: `alter role ${facts.login} replication, or set the URL to that of the relay's login`,
    },
  ];
}

interface LoginFacts {
  readonly login: string;
  readonly replicates: boolean;
}

const loginSql = `select quote_ident(current_user) as login,
  coalesce((select rolreplication or rolsuper from pg_roles where rolname = current_user), false) as replicates`;
