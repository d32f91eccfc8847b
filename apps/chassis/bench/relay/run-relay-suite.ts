import { openTestServer, type TestServer } from "../../src/cluster/postgres/test-database.ts";
import type { Figure } from "../harness/figure.ts";
import { describeMachine } from "../harness/machine.ts";
import type { SuiteOptions } from "../main.ts";
import { allPeers } from "../peers/all-peers.ts";
import { installPeers } from "../peers/install-peers.ts";
import { findRedis } from "../peers/redis-server.ts";
import { measureBacklogs } from "./backlog-figures.ts";
import { measureDecoding } from "./decode-figures.ts";
import { measureHanging } from "./hanging-figures.ts";
import { measureLatencies } from "./live-figures.ts";
import { measureMemory } from "./memory-figures.ts";
import { createPeerSide } from "./peer-side.ts";
import { createQuartetSide } from "./quartet-side.ts";
import { fullPlan, quickPlan } from "./relay-plan.ts";
import type { Side } from "./side.ts";

/**
 * The relay beside what else one would use in TypeScript, on one PostgreSQL with the settings of `quartet dev` (fsync
 * on). Each handler writes one row an event; a run counts only when its effects were counted.
 */
export async function runRelaySuite({ quick, log }: SuiteOptions): Promise<readonly Figure[]> {
  await installPeers(log);
  await using server = await openTestServer();
  log(describeMachine(await readVersion(server)));
  const plan = quick ? quickPlan : fullPlan;
  const parts = { server, plan, peers: choosePeers(quick, log), log };
  const ours = [createQuartetSide("message"), createQuartetSide("batch")];
  return [
    ...(await measureBacklogs(parts, ours)),
    ...(await measureLatencies(parts, ours)),
    ...(await measureHanging(parts)),
    ...(await measureMemory(parts)),
    ...(await measureDecoding(parts)),
  ];
}

/** Those that can run here; quickly, those that can be the best. */
function choosePeers(quick: boolean, log: (line: string) => void): readonly Side[] {
  const hasRedis = findRedis() !== undefined;
  if (!hasRedis) {
    log(
      "bullmq on Redis is left out: neither valkey-server nor redis-server is on the PATH (apt-get install redis-server)",
    );
  }
  return allPeers
    .filter(({ slow, needsRedis }) => (hasRedis || !needsRedis) && !(quick && slow))
    .map(createPeerSide);
}

async function readVersion(server: TestServer): Promise<string> {
  await using database = await server.openDatabase();
  const [row] = await database.query<{ version: string }>(
    "select 'PostgreSQL ' || current_setting('server_version') as version",
  );
  return row?.version ?? "";
}
