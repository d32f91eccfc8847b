import { loadPeer } from "./load-peer.ts";
import type { BenchEvent, Effects, Peer, PeerProducer } from "./peer.ts";

interface Job {
  readonly data: BenchEvent;
}

interface Boss {
  on(event: "error", listener: (error: Error) => void): void;
  start(): Promise<unknown>;
  stop(options: { graceful: boolean; timeout: number }): Promise<void>;
  createQueue(name: string, options: object): Promise<void>;
  send(name: string, data: object): Promise<unknown>;
  insert(name: string, jobs: readonly { data: object }[]): Promise<unknown>;
  work(name: string, options: object, handler: (jobs: Job[]) => Promise<void>): Promise<unknown>;
}

interface PgBossModule {
  readonly PgBoss: new (options: object) => Boss;
}

const queue = "bench";

/** A batch is fetched at once, and each of its jobs writes for itself. */
export const pgBoss: Peer = createPgBoss("pg-boss", "message", async (effects, events) => {
  await Promise.all(events.map((event) => effects.write(event)));
});

/** The same, with one transaction for the batch. */
export const pgBossBatch: Peer = createPgBoss("pg-boss in batches", "batch", (effects, events) =>
  effects.writeMany(events),
);

function createPgBoss(
  name: string,
  kind: Peer["kind"],
  handle: (effects: Effects, events: readonly BenchEvent[]) => Promise<void>,
): Peer {
  return {
    name,
    kind,
    slow: false,
    needsRedis: false,
    prepare: async ({ databaseUrl: url }) => {
      const boss = await openBoss(url, true);
      await boss.createQueue(queue, { notify: true });
      await stopBoss(boss);
    },
    openProducer: async ({ databaseUrl: url }) => createProducer(await openBoss(url, false)),
    openWorker: async ({ databaseUrl: url }, effects) => {
      const boss = await openBoss(url, false);
      const options = kind === "batch" ? batchWork : messageWork;
      await boss.work(queue, options, (jobs) =>
        handle(
          effects,
          jobs.map((job) => job.data),
        ),
      );
      return { [Symbol.asyncDispose]: () => stopBoss(boss) };
    },
  };
}

const messageWork = { batchSize: 500, localConcurrency: 2, burstWhenBatchFull: true };
const batchWork = { batchSize: 1_000, localConcurrency: 4, burstWhenBatchFull: true };

async function openBoss(url: string, migrate: boolean): Promise<Boss> {
  const { PgBoss } = await loadPeer<PgBossModule>("pg-boss");
  const boss = new PgBoss({
    connectionString: url,
    max: 16,
    useListenNotify: true,
    migrate,
    supervise: false,
    schedule: false,
  });
  boss.on("error", (error) => console.error(`pg-boss: ${error.message}`));
  await boss.start();
  return boss;
}

function createProducer(boss: Boss): PeerProducer {
  return {
    publish: async (event) => void (await boss.send(queue, event)),
    publishMany: async (events) => {
      await boss.insert(
        queue,
        events.map((data) => ({ data })),
      );
    },
    [Symbol.asyncDispose]: () => stopBoss(boss),
  };
}

async function stopBoss(boss: Boss): Promise<void> {
  await boss.stop({ graceful: true, timeout: 5_000 });
}
