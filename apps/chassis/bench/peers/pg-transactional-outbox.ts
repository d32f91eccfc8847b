import { Client, type ClientBase, Pool } from "pg";
import { loadPeer } from "./load-peer.ts";
import type { BenchEvent, Effects, Peer, PeerProducer, PeerServers } from "./peer.ts";

interface Message {
  readonly id: string;
  readonly payload: BenchEvent;
}

interface SetupConfig {
  readonly outboxOrInbox: "outbox";
  readonly database: string;
  readonly schema: string;
  readonly table: string;
  readonly listenerRole: string;
  readonly publication: string;
  readonly replicationSlot: string;
}

type Store = (message: object, client: ClientBase) => Promise<void>;

interface OutboxModule {
  readonly DatabaseSetup: {
    dropAndCreateTable(config: SetupConfig): string;
    setupReplicationCore(config: SetupConfig): string;
    setupReplicationSlot(config: SetupConfig): string;
  };
  initializeMessageStorage(config: object, logger: object): Store;
  initializeReplicationMessageListener(
    config: object,
    handler: { handle: (message: Message) => Promise<void> },
    logger: object,
    strategies: object,
  ): [shutdown: () => Promise<void>];
  createReplicationFullConcurrencyController(): unknown;
  getDisabledLogger(): object;
}

const messagesATransaction = 500;

/** Its listener on the WAL, with messages handled concurrently. */
export const pgTransactionalOutbox: Peer = {
  name: "pg-transactional-outbox",
  kind: "message",
  slow: true,
  needsRedis: false,
  prepare,
  openProducer,
  openWorker,
};

/** Slots belong to the server: each database has one of its own name. */
function setupOf({ databaseUrl }: PeerServers): SetupConfig {
  const database = new URL(databaseUrl).pathname.slice(1);
  return {
    outboxOrInbox: "outbox",
    database,
    schema: "public",
    table: "outbox",
    listenerRole: "postgres",
    publication: "outbox_publication",
    replicationSlot: `${database}_outbox`,
  };
}

function configOf(servers: PeerServers): object {
  const setup = setupOf(servers);
  return {
    outboxOrInbox: "outbox",
    dbListenerConfig: { connectionString: servers.databaseUrl },
    dbHandlerConfig: { connectionString: servers.databaseUrl },
    settings: {
      dbSchema: setup.schema,
      dbTable: setup.table,
      dbPublication: setup.publication,
      dbReplicationSlot: setup.replicationSlot,
      enableMaxAttemptsProtection: false,
      enablePoisonousMessageProtection: false,
    },
  };
}

async function prepare(servers: PeerServers): Promise<void> {
  const { DatabaseSetup } = await loadPeer<OutboxModule>("pg-transactional-outbox");
  const setup = setupOf(servers);
  const client = new Client(servers.databaseUrl);
  await client.connect();
  try {
    await client.query(DatabaseSetup.dropAndCreateTable(setup));
    await client.query(DatabaseSetup.setupReplicationCore(setup));
    await client.query(DatabaseSetup.setupReplicationSlot(setup));
  } finally {
    await client.end();
  }
}

async function openProducer(servers: PeerServers): Promise<PeerProducer> {
  const module = await loadPeer<OutboxModule>("pg-transactional-outbox");
  const store = module.initializeMessageStorage(configOf(servers), module.getDisabledLogger());
  const pool = new Pool({ connectionString: servers.databaseUrl, max: 16 });
  return {
    publish: (event) => publish(pool, store, [event]),
    publishMany: async (events) => {
      for (let start = 0; start < events.length; start += messagesATransaction) {
        await publish(pool, store, events.slice(start, start + messagesATransaction));
      }
    },
    [Symbol.asyncDispose]: () => pool.end(),
  };
}

async function publish(pool: Pool, store: Store, events: readonly BenchEvent[]): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query("begin");
    for (const event of events) {
      await store(
        {
          id: event.id,
          aggregateType: "order",
          aggregateId: event.key,
          messageType: "order_placed",
          payload: event,
        },
        client,
      );
    }
    await client.query("commit");
  } finally {
    client.release();
  }
}

async function openWorker(servers: PeerServers, effects: Effects): Promise<AsyncDisposable> {
  const module = await loadPeer<OutboxModule>("pg-transactional-outbox");
  const [shutdown] = module.initializeReplicationMessageListener(
    configOf(servers),
    { handle: (message) => effects.write(message.payload) },
    module.getDisabledLogger(),
    { concurrencyStrategy: module.createReplicationFullConcurrencyController() },
  );
  return { [Symbol.asyncDispose]: shutdown };
}
