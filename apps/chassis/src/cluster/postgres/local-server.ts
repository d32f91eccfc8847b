/** The servers a local cluster may have. */
export type LocalServerName = "primary" | "replica" | "events";

/** One running PostgreSQL server of a local cluster. It listens on 127.0.0.1 only. */
export interface LocalServer {
  readonly name: LocalServerName;
  readonly host: string;
  /** Stays the same for as long as the cluster is open, also over restarts. */
  readonly port: number;
  /** Process id of the current postmaster; another one after a restart by supervision. */
  readonly pid: number;
  readonly superuser: string;
  readonly password: string;
  /** A connection URL; without a user, the superuser's. */
  url(database: string, user?: string, password?: string): string;
}

/** The name of the bootstrap superuser on every local server. */
export const superuser = "postgres";

/** The only address local servers listen on. */
export const localHost = "127.0.0.1";

/** What {@link createLocalServer} needs to know of a server. */
export interface LocalServerParts {
  readonly name: LocalServerName;
  readonly port: number;
  readonly password: string;
  readonly currentPid: () => number;
}

/** Describes a running server to its users. */
export function createLocalServer(parts: LocalServerParts): LocalServer {
  return Object.freeze({
    name: parts.name,
    host: localHost,
    port: parts.port,
    superuser,
    password: parts.password,
    get pid() {
      return parts.currentPid();
    },
    url(database: string, user?: string, password?: string) {
      const secret = user === undefined ? parts.password : password;
      return createServerUrl(parts.port, database, user ?? superuser, secret);
    },
  });
}

/** A connection URL of a local server; without a password, the URL carries none. */
function createServerUrl(port: number, database: string, user: string, password?: string): string {
  const secret = password === undefined ? "" : `:${encodeURIComponent(password)}`;
  return `postgres://${encodeURIComponent(user)}${secret}@${localHost}:${port}/${encodeURIComponent(database)}`;
}
