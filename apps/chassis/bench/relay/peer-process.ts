import { openPool } from "../../src/sql/open-pool.ts";
import { serveChild } from "../harness/child.ts";
import { allPeers } from "../peers/all-peers.ts";
import type { PeerServers } from "../peers/peer.ts";
import { CommitTimeRecorder } from "./commit-times.ts";
import { createEffects } from "./effects.ts";

/** Connections that handlers write their effects with. */
const effectConnections = 16;

const stack = new AsyncDisposableStack();
const recorder = new CommitTimeRecorder();

/** The worker of one peer, in a process of its own. */
serveChild({
  /** Works from now on, and notes when effects were committed if it is told to. */
  start: async ({ peer: name, servers, times }: { peer: string; servers: PeerServers; times: boolean }) => {
    const peer = allPeers.find((known) => known.name === name);
    if (peer === undefined) throw new Error(`there is no peer "${name}"`);
    const pool = openPool({
      url: servers.databaseUrl,
      applicationName: "bench effects",
      maxConnections: effectConnections,
      statementTimeoutMs: 30_000,
      onIdleError: () => undefined,
    });
    stack.defer(() => pool.end());
    stack.use(await peer.openWorker(servers, createEffects(pool, times ? recorder.note : () => undefined)));
  },
  takeTimes: () => recorder.take(),
  stop: () => stack.disposeAsync(),
});
