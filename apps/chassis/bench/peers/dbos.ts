import { inParallel } from "../harness/contest.ts";
import { loadPeer } from "./load-peer.ts";
import type { BenchEvent, Effects, Peer, PeerProducer, PeerServers } from "./peer.ts";

interface DbosClient {
  enqueue(options: { queueName: string; workflowName: string }, event: BenchEvent): Promise<unknown>;
  destroy(): Promise<void>;
}

interface DbosModule {
  readonly DBOS: {
    setConfig(config: object): void;
    launch(): Promise<void>;
    shutdown(): Promise<void>;
    registerWorkflow(run: (event: BenchEvent) => Promise<void>, config: { name: string }): unknown;
    runStep(step: () => Promise<void>, config: { name: string }): Promise<void>;
    registerQueue(name: string, options: object): Promise<unknown>;
  };
  readonly DBOSClient: { create(options: object): Promise<DbosClient> };
}

const queueName = "bench";
const workflowName = "bench";
/** A process registers a workflow once; each run's effects are where its worker is open. */
let currentEffects: Effects | undefined;
let isRegistered = false;
const enqueuesUnderWay = 16;

/** A workflow of one step per event, from a durable queue. */
export const dbos: Peer = {
  name: "dbos",
  kind: "message",
  slow: true,
  needsRedis: false,
  prepare: async (servers) => {
    const worker = await openWorker(servers, {
      write: async () => undefined,
      writeMany: async () => undefined,
    });
    await worker[Symbol.asyncDispose]();
  },
  openProducer,
  openWorker,
};

async function openProducer({ databaseUrl }: PeerServers): Promise<PeerProducer> {
  const { DBOSClient } = await loadPeer<DbosModule>("@dbos-inc/dbos-sdk");
  const client = await DBOSClient.create({ systemDatabaseUrl: databaseUrl, systemDatabasePoolSize: 16 });
  const publish = async (event: BenchEvent) => {
    await client.enqueue({ queueName, workflowName }, event);
  };
  return {
    publish,
    publishMany: (events) =>
      inParallel(events.length, enqueuesUnderWay, async (index) => {
        const event = events[index];
        if (event !== undefined) await publish(event);
      }),
    [Symbol.asyncDispose]: () => client.destroy(),
  };
}

async function openWorker({ databaseUrl }: PeerServers, effects: Effects): Promise<AsyncDisposable> {
  const { DBOS } = await loadPeer<DbosModule>("@dbos-inc/dbos-sdk");
  DBOS.setConfig({
    name: "bench",
    systemDatabaseUrl: databaseUrl,
    systemDatabasePoolSize: 20,
    logLevel: "error",
    runAdminServer: false,
  });
  currentEffects = effects;
  if (!isRegistered) {
    DBOS.registerWorkflow(writeEffect(DBOS), { name: workflowName });
    isRegistered = true;
  }
  await DBOS.launch();
  await DBOS.registerQueue(queueName, { workerConcurrency: 100, minPollingIntervalMs: 10 });
  return { [Symbol.asyncDispose]: () => DBOS.shutdown() };
}

function writeEffect(DBOS: DbosModule["DBOS"]): (event: BenchEvent) => Promise<void> {
  return (event) => DBOS.runStep(async () => currentEffects?.write(event), { name: "effect" });
}
