import { fileURLToPath } from "node:url";
import { Pool } from "pg";
import {
  type LocalPostgres,
  type LocalServer,
  openLocalPostgres,
} from "../../src/cluster/postgres/open-local-postgres.ts";
import { openTestFolder } from "../../src/cluster/postgres/test-folder.ts";
import { ownerUrls, prepareDatabases } from "../../src/cluster/prepare-databases.ts";
import { type BenchChild, openChild } from "../harness/child.ts";
import type { RelaySettings } from "../harness/serve-relay.ts";
import { type BareSettings, bareTableSql } from "./bare-process.ts";
import type { ClassSettings } from "./class-process.ts";
import { noteDomain } from "./note-domain.ts";

/** A process that listens. */
export interface Listening {
  readonly url: string;
  readonly child: BenchChild;
}

/**
 * Primary, replica and events server, a crud and a micro on them, and two bare handlers: one beside micro's outbox, one
 * beside crud's tables. Disposing stops all.
 */
export interface CommandsDeployment extends AsyncDisposable {
  readonly crud: Listening;
  readonly micro: Listening;
  readonly bareEvents: Listening;
  readonly barePrimary: Listening;
  /** Superusers' pools. */
  readonly main: Pool;
  readonly replica: Pool;
  readonly events: Pool;
  readonly postgres: string;
  /** Runs a relay; disposing stops it. */
  openRelay(): Promise<AsyncDisposable>;
}

/** Of every pool, ours and the bare ones': the default of both. */
const maxConnections = 10;
const password = "bench";

const entries = {
  bare: fileURLToPath(new URL("./bare-process.ts", import.meta.url)),
  class: fileURLToPath(new URL("./class-process.ts", import.meta.url)),
  relay: fileURLToPath(new URL("./relay-process.ts", import.meta.url)),
};

export async function openCommandsDeployment(): Promise<CommandsDeployment> {
  await using stack = new AsyncDisposableStack();
  const { primary, replica, events } = await openServers(stack);
  const urls = {
    primary: primary.url("postgres"),
    replica: replica.url("postgres"),
    events: events.url("postgres"),
  };
  const logins = await prepareDatabases(noteDomain, urls, password, () => undefined);
  const owner = ownerUrls(noteDomain.name, urls);
  const openPool = (connectionString: string) => {
    const pool = new Pool({ connectionString, max: 2 });
    pool.on("error", () => undefined);
    stack.defer(() => pool.end());
    return pool;
  };
  const [main, eventsPool] = [openPool(owner.main), openPool(owner.events)];
  await Promise.all([main.query(bareTableSql), eventsPool.query(bareTableSql)]);
  const start = async (
    name: "bare" | "class",
    settings: BareSettings | ClassSettings,
  ): Promise<Listening> => {
    const child = stack.use(await openChild(entries[name]));
    const port = await child.ask<number>("start", settings);
    stack.defer(() => child.ask<void>("stop"));
    return { url: `http://127.0.0.1:${port}`, child };
  };
  const upstreams = { crud: [], micro: [], nano: [], lambda: [] };
  const shared = { upstreams, maxConnections };
  const crud = await start("class", { ...shared, databaseUrl: logins.crud, eventsDatabaseUrl: undefined });
  const micro = await start("class", {
    ...shared,
    databaseUrl: logins.micro,
    eventsDatabaseUrl: logins.microEvents,
  });
  const deployment = {
    crud,
    micro,
    bareEvents: await start("bare", { databaseUrl: owner.events, maxConnections }),
    barePrimary: await start("bare", { databaseUrl: owner.main, maxConnections }),
    main,
    replica: openPool(replica.url(noteDomain.name)),
    events: eventsPool,
    postgres: await readVersion(main),
    openRelay: () =>
      openRelay({
        databaseUrl: logins.relay,
        eventsDatabaseUrl: logins.relayEvents,
        upstreams: { ...upstreams, crud: [crud.url], micro: [micro.url] },
      }),
  };
  const owned = stack.move();
  return { ...deployment, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

type Servers = Readonly<Record<"primary" | "replica" | "events", LocalServer>>;

async function openServers(stack: AsyncDisposableStack): Promise<Servers> {
  const folder = stack.use(await openTestFolder());
  const settings = { dataDir: folder.path, topology: "full", fresh: false, log: () => undefined } as const;
  const { primary, replica, events }: LocalPostgres = stack.use(await openLocalPostgres(settings));
  if (replica === undefined || events === undefined) throw new Error("the full topology has three servers");
  return { primary, replica, events };
}

async function openRelay(settings: RelaySettings): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const relay = stack.use(await openChild(entries.relay));
  await relay.ask("start", settings);
  stack.defer(() => relay.ask<void>("stop"));
  return stack.move();
}

async function readVersion(pool: Pool): Promise<string> {
  const { rows } = await pool.query<{ version: string }>(
    "select 'PostgreSQL ' || current_setting('server_version') as version",
  );
  return rows[0]?.version ?? "";
}
