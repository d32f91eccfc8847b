import { Client, type Pool, type QueryResultRow } from "pg";
import { openPool } from "../../sql/open-pool.ts";
import { type LocalPostgres, openLocalPostgres } from "./open-local-postgres.ts";
import { queryServer } from "./query-server.ts";
import { openTestFolder } from "./test-folder.ts";
import { copyServerTemplate } from "./test-template.ts";

/** One server (and its replica, when full) for a test file; databases are made on it. */
export interface TestServer extends AsyncDisposable {
  readonly postgres: LocalPostgres;
  /** Makes a database, with a pool of the superuser: empty, or a copy of one that nobody is connected to. */
  openDatabase(template?: string): Promise<TestDatabase>;
}

/** An empty database on a real PostgreSQL. */
export interface TestDatabase extends AsyncDisposable {
  readonly name: string;
  /** The superuser's pool, as the platform opens them: int8 is bigint. */
  readonly pool: Pool;
  /** Without a user, the superuser's. */
  url(user?: string): string;
  /** Runs statements as the superuser, or as a login with {@link testPassword}. */
  query<Row extends QueryResultRow>(text: string, values?: readonly unknown[], user?: string): Promise<Row[]>;
  /** A pool of a login with {@link testPassword}, ended with the database. */
  openPool(user?: string, settings?: Partial<Parameters<typeof openPool>[0]>): Pool;
  /** A connection of its own, ended with the database. */
  connect(user?: string): Promise<Client>;
}

/** The password of every login that tests make. */
export const testPassword = "of a test, it's";

/** Runs PostgreSQL in a temporary folder, which disposing removes. */
export async function openTestServer(topology: "single" | "full" = "single"): Promise<TestServer> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await openTestFolder());
  const copied = await copyServerTemplate(folder.path, topology);
  const postgres = stack.use(
    await openLocalPostgres({ dataDir: folder.path, topology, fresh: !copied, log: () => undefined }),
  );
  const owned = stack.move();
  let count = 0;
  return {
    postgres,
    openDatabase: async (template) => {
      const database = await openDatabaseOn(postgres, `test_${++count}`, template);
      owned.use(database);
      return database;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** A server with one database, for files that need no more. */
export async function openTestDatabase(): Promise<TestDatabase> {
  const server = await openTestServer();
  const database = await server.openDatabase();
  return { ...database, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

async function openDatabaseOn(
  postgres: LocalPostgres,
  name: string,
  template = "template1",
): Promise<TestDatabase> {
  const server = postgres.primary;
  await queryServer(server.url("postgres"), `create database ${name} template ${template}`);
  const stack = new AsyncDisposableStack();
  const url = (user?: string) =>
    user === undefined ? server.url(name) : server.url(name, user, testPassword);
  const open = (user?: string, settings: Partial<Parameters<typeof openPool>[0]> = {}) => {
    const pool = openPool({
      url: url(user),
      applicationName: "quartet test",
      maxConnections: 4,
      statementTimeoutMs: 10_000,
      onIdleError: () => undefined,
      ...settings,
    });
    stack.defer(() => pool.end());
    return pool;
  };
  // Apart from `pool`, whose connections tests hold and count.
  const admin = open(undefined, { maxConnections: 2, applicationName: "quartet test admin" });
  return {
    name,
    pool: open(),
    url,
    query: async (text, values = [], user) => {
      if (user !== undefined) return queryServer(url(user), text, values);
      return (await admin.query(text, [...values])).rows;
    },
    openPool: open,
    connect: async (user) => {
      const client = new Client({ connectionString: url(user) });
      client.on("error", () => undefined);
      await client.connect();
      stack.defer(() => client.end());
      return client;
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
