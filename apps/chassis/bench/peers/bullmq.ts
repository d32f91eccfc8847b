import { loadPeer } from "./load-peer.ts";
import type { BenchEvent, Effects, Peer, PeerProducer, PeerServers } from "./peer.ts";

interface Queue {
  add(name: string, data: unknown): Promise<unknown>;
  addBulk(jobs: readonly { name: string; data: unknown }[]): Promise<unknown>;
  waitUntilReady(): Promise<unknown>;
  close(): Promise<void>;
}

interface Worker {
  on(event: "error", listener: (error: Error) => void): void;
  waitUntilReady(): Promise<unknown>;
  close(): Promise<void>;
}

interface BullModule {
  readonly Queue: new (name: string, options: object, backend?: unknown) => Queue;
  readonly Worker: new (
    name: string,
    processor: (job: { data: BenchEvent }) => Promise<void>,
    options: object,
    backend?: unknown,
  ) => Worker;
  createPostgresBackend(...args: unknown[]): unknown;
}

/** Where BullMQ keeps its queue, as its classes are told. */
interface Backend {
  readonly connection: object;
  readonly factory: unknown;
}

const name = "bench";
const concurrency = 50;

/** On the Postgres that all others use. */
export const bullmqPostgres: Peer = createBullmq(
  "bullmq on Postgres",
  false,
  async ({ databaseUrl }, migrate) => {
    const { createPostgresBackend } = await loadPeer<BullModule>("bullmq");
    return {
      connection: { connectionString: databaseUrl, max: 16, migrate },
      factory: createPostgresBackend,
    };
  },
);

/** On a Redis of its own. */
export const bullmqRedis: Peer = createBullmq("bullmq on Redis", true, async ({ redisPort }) => ({
  connection: { host: "127.0.0.1", port: redisPort, maxRetriesPerRequest: null },
  factory: undefined,
}));

function createBullmq(
  peerName: string,
  needsRedis: boolean,
  open: (servers: PeerServers, migrate: boolean) => Promise<Backend>,
): Peer {
  return {
    name: peerName,
    kind: "message",
    slow: !needsRedis, // on Postgres a job takes several statements: 1,600 a second on two cores
    needsRedis,
    prepare: async (servers) => {
      const queue = await openQueue(await open(servers, true));
      await queue.close();
    },
    openProducer: async (servers) => createProducer(await openQueue(await open(servers, false))),
    openWorker: async (servers, effects) => openWorker(await open(servers, false), effects),
  };
}

async function openQueue({ connection, factory }: Backend): Promise<Queue> {
  const { Queue } = await loadPeer<BullModule>("bullmq");
  const options = { connection, defaultJobOptions: { removeOnComplete: true } };
  const queue = factory === undefined ? new Queue(name, options) : new Queue(name, options, factory);
  await queue.waitUntilReady();
  return queue;
}

function createProducer(queue: Queue): PeerProducer {
  return {
    publish: async (event) => void (await queue.add(name, event)),
    publishMany: async (events) => void (await queue.addBulk(events.map((data) => ({ name, data })))),
    [Symbol.asyncDispose]: () => queue.close(),
  };
}

async function openWorker({ connection, factory }: Backend, effects: Effects): Promise<AsyncDisposable> {
  const { Worker } = await loadPeer<BullModule>("bullmq");
  const handle = (job: { data: BenchEvent }) => effects.write(job.data);
  const options = { connection, concurrency };
  const worker =
    factory === undefined ? new Worker(name, handle, options) : new Worker(name, handle, options, factory);
  worker.on("error", (error) => console.error(`bullmq: ${error.message}`));
  await worker.waitUntilReady();
  return { [Symbol.asyncDispose]: () => worker.close() };
}
