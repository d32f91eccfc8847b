import { loadPeer } from "./load-peer.ts";
import type { BenchEvent, Effects, Peer, PeerProducer, PeerServers } from "./peer.ts";

interface WorkerUtils {
  addJob(identifier: string, payload: unknown): Promise<unknown>;
  addJobs(jobs: readonly { identifier: string; payload: unknown }[]): Promise<unknown>;
  migrate(): Promise<void>;
  release(): Promise<void>;
}

interface GraphileModule {
  makeWorkerUtils(options: object): Promise<WorkerUtils>;
  run(options: object): Promise<{ stop(): Promise<void> }>;
  readonly Logger: new (factory: () => () => void) => unknown;
}

const task = "bench";
const concurrentJobs = 24;

/** With its local queue and batched completion, which its page on performance names for the highest rates. */
export const graphileWorker: Peer = {
  name: "graphile-worker",
  kind: "message",
  slow: false,
  needsRedis: false,
  prepare: async ({ databaseUrl: url }) => {
    const utils = await openUtils(url);
    await utils.migrate();
    await utils.release();
  },
  openProducer: async ({ databaseUrl: url }) => createProducer(await openUtils(url)),
  openWorker,
};

async function openUtils(url: string): Promise<WorkerUtils> {
  const { makeWorkerUtils, Logger } = await loadPeer<GraphileModule>("graphile-worker");
  return makeWorkerUtils({
    connectionString: url,
    maxPoolSize: 16,
    logger: new Logger(() => () => undefined),
  });
}

function createProducer(utils: WorkerUtils): PeerProducer {
  return {
    publish: async (event) => void (await utils.addJob(task, event)),
    publishMany: async (events) => {
      await utils.addJobs(events.map((payload) => ({ identifier: task, payload })));
    },
    [Symbol.asyncDispose]: () => utils.release(),
  };
}

async function openWorker({ databaseUrl }: PeerServers, effects: Effects): Promise<AsyncDisposable> {
  const { run, Logger } = await loadPeer<GraphileModule>("graphile-worker");
  const runner = await run({
    noHandleSignals: true,
    taskList: { [task]: (payload: unknown) => effects.write(payload as BenchEvent) },
    crontab: "",
    preset: {
      worker: {
        connectionString: databaseUrl,
        maxPoolSize: concurrentJobs + 2,
        concurrentJobs,
        pollInterval: 2_000,
        localQueue: { size: 500 },
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
        logger: new Logger(() => () => undefined),
      },
    },
  });
  return { [Symbol.asyncDispose]: () => runner.stop() };
}
