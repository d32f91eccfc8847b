import { fileURLToPath } from "node:url";
import { findFreePort } from "../../src/cluster/postgres/free-port.ts";
import type { TestServer } from "../../src/cluster/postgres/test-database.ts";
import { openChild } from "../harness/child.ts";
import type { Peer } from "../peers/peer.ts";
import { findRedis, openRedis } from "../peers/redis-server.ts";
import { openEffectsDatabase } from "./effects-database.ts";
import type { Deployment, OpenOptions, Side } from "./side.ts";

const entry = fileURLToPath(new URL("./peer-process.ts", import.meta.url));

/** A peer as a side: its producer in this process, its worker in another. */
export function createPeerSide(peer: Peer): Side {
  const { name, kind, slow } = peer;
  return { name, kind, slow, open: (server, options) => openDeployment(peer, server, options) };
}

async function openDeployment(peer: Peer, server: TestServer, { times }: OpenOptions): Promise<Deployment> {
  await using stack = new AsyncDisposableStack();
  const effects = stack.use(await openEffectsDatabase(server));
  const redis = peer.needsRedis ? stack.use(await openBenchRedis()) : undefined;
  const servers = { databaseUrl: effects.url, redisPort: redis?.port };
  await peer.prepare(servers);
  const producer = stack.use(await peer.openProducer(servers));
  const worker = stack.use(await openChild(entry));
  stack.defer(() => worker.ask<void>("stop"));
  const owned = stack.move();
  return {
    ...effects,
    publish: (event) => producer.publish(event),
    publishMany: (events) => producer.publishMany(events),
    start: () => worker.ask("start", { peer: peer.name, servers, times }),
    takeTimes: () => worker.ask("takeTimes"),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function openBenchRedis() {
  const program = findRedis();
  if (program === undefined) throw new Error("There is no redis-server and no valkey-server on the PATH.");
  return openRedis(program, await findFreePort("bench redis", undefined, new Set()));
}
