import { Client } from "pg";
import { applySchema } from "../apply/apply-schema.ts";
import { formatDrift } from "../apply/drift/drift.ts";
import { createLoginSql, type groupRoles } from "../apply/roles-ddl.ts";
import { judgeSchema } from "../gate/judge-schema.ts";
import { quoteIdentifier } from "../schema/identifier.ts";
import type { Domain } from "../service/domain.ts";

/** Servers that a cluster's databases are on, by URLs of an owner that may create databases and roles. */
export interface ClusterServers {
  readonly primary: string;
  /** Undefined: reads go to the primary. */
  readonly replica: string | undefined;
  /** Undefined: events are in the main database. */
  readonly events: string | undefined;
}

/** URLs of a cluster's logins, one per class, each with the rights of its class alone. */
export interface ClusterLogins {
  readonly crud: string;
  readonly micro: string;
  readonly microEvents: string;
  readonly nano: string;
  readonly relay: string;
  readonly relayEvents: string;
}

/** URLs of the databases' owner, for `quartet apply`. */
export function ownerUrls(
  domainName: string,
  servers: ClusterServers,
): { readonly main: string; readonly events: string } {
  const main = withDatabase(servers.primary, domainName);
  return {
    main,
    events: servers.events === undefined ? main : withDatabase(servers.events, `${domainName}_events`),
  };
}

/**
 * Makes servers remember where they are. A replica that is killed starts again at its last checkpoint, which without
 * this may be from before there was anything.
 */
export async function checkpointServers(servers: ClusterServers): Promise<void> {
  for (const url of [servers.primary, servers.replica]) {
    if (url !== undefined) await withClient(url, (client) => client.query("checkpoint"));
  }
}

/**
 * Creates databases and logins where they are missing, and brings them to the shape the protos say.
 *
 * @param warn gets, line by line, what somebody altered by hand
 */
export async function prepareDatabases(
  domain: Domain,
  servers: ClusterServers,
  password: string,
  warn: (line: string) => void,
): Promise<ClusterLogins> {
  const mainName = domain.name;
  const eventsName = servers.events === undefined ? mainName : `${domain.name}_events`;
  const eventsServer = servers.events ?? servers.primary;
  await createDatabase(servers.primary, mainName);
  if (servers.events !== undefined) await createDatabase(servers.events, eventsName);
  const owner = ownerUrls(domain.name, servers);
  const target = { databaseUrl: owner.main, eventsDatabaseUrl: owner.events };
  for (const { database, drift } of await applySchema(domain, target, { judge: judgeSchema })) {
    for (const found of drift) for (const line of formatDrift(database, found)) warn(line);
  }
  await createLogins(servers.primary, domain, password, ["crud", "micro", "nano", "relay"]);
  if (servers.events !== undefined) await createLogins(servers.events, domain, password, ["micro", "relay"]);
  if (servers.replica !== undefined) await awaitReplay(servers.primary, servers.replica);
  const reads = servers.replica ?? servers.primary;
  const login = (server: string, database: string, name: string) =>
    withLogin(withDatabase(server, database), `${domain.name}_${name}`, password);
  return {
    crud: login(servers.primary, mainName, "crud"),
    micro: login(reads, mainName, "micro"),
    microEvents: login(eventsServer, eventsName, "micro"),
    nano: login(reads, mainName, "nano"),
    relay: login(servers.primary, mainName, "relay"),
    relayEvents: login(eventsServer, eventsName, "relay"),
  };
}

async function createDatabase(url: string, name: string): Promise<void> {
  await withClient(url, async (client) => {
    const found = await client.query("select from pg_database where datname = $1", [name]);
    if (found.rowCount === 0) await client.query(`create database ${quoteIdentifier(name)}`);
  });
}

type LoginName = "crud" | "micro" | "nano" | "relay";

async function createLogins(
  url: string,
  domain: Domain,
  password: string,
  names: readonly LoginName[],
): Promise<void> {
  await withClient(url, async (client) => {
    for (const name of names) {
      const role: (typeof groupRoles)[number] = `quartet_${name}`;
      await client.query(createLoginSql(`${domain.name}_${name}`, password, role));
    }
  });
}

/** Waits until the replica has what was just created, so that no process finds half a database. */
async function awaitReplay(primary: string, replica: string): Promise<void> {
  const lsn = await withClient(primary, async (client) => {
    const result = await client.query<{ lsn: string }>("select pg_current_wal_flush_lsn()::text as lsn");
    return result.rows[0]?.lsn ?? "0/0";
  });
  await withClient(replica, async (client) => {
    for (let attempt = 0; attempt < 600; attempt++) {
      const result = await client.query<{ there: boolean }>(
        "select not pg_is_in_recovery() or pg_last_wal_replay_lsn() >= $1::pg_lsn as there",
        [lsn],
      );
      if (result.rows[0]?.there) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  });
}

async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url, application_name: "quartet dev" });
  client.on("error", () => undefined);
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.end();
  }
}

function withDatabase(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${encodeURIComponent(database)}`;
  return changed.href;
}

function withLogin(url: string, user: string, password: string): string {
  const changed = new URL(url);
  changed.username = encodeURIComponent(user);
  changed.password = encodeURIComponent(password);
  return changed.href;
}
