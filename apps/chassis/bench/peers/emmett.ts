import { inParallel } from "../harness/contest.ts";
import { loadPeer } from "./load-peer.ts";
import type { BenchEvent, Effects, Peer, PeerProducer, PeerServers } from "./peer.ts";

interface StoredEvent {
  readonly type: string;
  readonly data: BenchEvent;
}

interface Consumer {
  reactor(options: {
    processorId: string;
    startFrom: "BEGINNING";
    eachMessage: (event: StoredEvent) => Promise<void>;
  }): unknown;
  start(): Promise<void>;
  close(): Promise<void>;
}

interface EventStore {
  readonly schema: { migrate(): Promise<unknown> };
  appendToStream(stream: string, events: readonly StoredEvent[]): Promise<unknown>;
  consumer(options: object): Consumer;
  close(): Promise<void>;
}

interface EmmettModule {
  getPostgreSQLEventStore(url: string, options?: object): EventStore;
}

const type = "OrderPlaced";
const appendsUnderWay = 16;

/** An event store with a reactor: a stream per key, read in the order of their positions. */
export const emmett: Peer = {
  name: "emmett",
  kind: "message",
  slow: true,
  needsRedis: false,
  prepare: async (servers) => {
    const store = await openStore(servers);
    await store.schema.migrate();
    await store.close();
  },
  openProducer: async (servers) => createProducer(await openStore(servers)),
  openWorker: async (servers, effects) => openWorker(await openStore(servers), effects),
};

async function openStore({ databaseUrl }: PeerServers): Promise<EventStore> {
  const { getPostgreSQLEventStore } = await loadPeer<EmmettModule>("@event-driven-io/emmett-postgresql");
  return getPostgreSQLEventStore(databaseUrl);
}

function createProducer(store: EventStore): PeerProducer {
  return {
    publish: async (event) =>
      void (await store.appendToStream(`order-${event.key}`, [{ type, data: event }])),
    publishMany: async (events) => {
      const streams = [...Map.groupBy(events, (event) => event.key)];
      await inParallel(streams.length, appendsUnderWay, async (index) => {
        const [key, ofKey] = streams[index] ?? ["", []];
        await store.appendToStream(
          `order-${key}`,
          ofKey.map((data) => ({ type, data })),
        );
      });
    },
    [Symbol.asyncDispose]: () => store.close(),
  };
}

async function openWorker(store: EventStore, effects: Effects): Promise<AsyncDisposable> {
  const consumer = store.consumer({ pulling: { batchSize: 1_000, pullingFrequencyInMs: 10 } });
  consumer.reactor({
    processorId: "bench",
    startFrom: "BEGINNING",
    eachMessage: (event) => effects.write(event.data),
  });
  const run = consumer.start();
  return {
    [Symbol.asyncDispose]: async () => {
      await consumer.close();
      await run;
      await store.close();
    },
  };
}
