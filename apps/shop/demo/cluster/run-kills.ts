import { setTimeout as delay } from "node:timers/promises";
import { request } from "undici";
import { pollUntil } from "../poll-until.ts";
import type { Random } from "../random.ts";
import type { ClusterRow } from "./cluster-table.ts";
import type { DemoCluster, ServerName } from "./demo-cluster.ts";

const targets = [
  "crud",
  "micro",
  "nano",
  "lambda",
  "relay",
  "gateway",
  "primary",
  "events",
  "replica",
] as const;

type Target = (typeof targets)[number];

/** One process that was killed, and how long it was away. */
export interface Kill {
  readonly target: Target;
  readonly secondsAway: number;
}

/** A target and the share of the day, 0 to 1, after which it is killed. */
interface PlannedKill {
  readonly target: Target;
  readonly at: number;
}

const returnLimitMs = 90_000;
/** Some trade with everything up before the next one. */
const restMs = 1_000;

/** Requests in which every target is killed once. */
const requestsPerRound = 10_000;

/** Every target at least once, in drawn order, spread over the day with some chance in it. */
export function planKills(random: Random, requests: number): readonly PlannedKill[] {
  const rounds = Math.max(1, Math.floor(requests / requestsPerRound));
  const order = Array.from({ length: rounds }, () => random.shuffle(targets)).flat();
  return order.map((target, index) => ({
    target,
    at: (index + 0.2 + 0.6 * random.next()) / (order.length + 1),
  }));
}

/**
 * Kills the planned targets one after the other with SIGKILL, each once the day is that far and the one before is back.
 *
 * @param share how far the day is, 0 to 1
 * @throws Error when a target does not come back.
 */
export async function runKills(
  plan: readonly PlannedKill[],
  cluster: DemoCluster,
  share: () => number,
  tell: (what: string) => void,
  signal: AbortSignal,
): Promise<readonly Kill[]> {
  const kills: Kill[] = [];
  for (const { target, at } of plan) {
    while (share() < at) await delay(50, undefined, { signal });
    const startedMs = performance.now();
    const pid = await killOne(cluster, target, signal);
    tell(`killed ${target}`);
    await pollUntil(
      `${target} comes back`,
      returnLimitMs,
      signal,
      async () => (await isBack(cluster, target, pid)) || undefined,
    );
    const secondsAway = (performance.now() - startedMs) / 1000;
    kills.push({ target, secondsAway });
    tell(`${target} was away ${secondsAway.toFixed(1)} s`);
    await delay(restMs, undefined, { signal });
  }
  return kills;
}

/** Kills the process that the table names now. One that ended by itself a moment ago is waited for. */
async function killOne(cluster: DemoCluster, target: Target, signal: AbortSignal): Promise<number> {
  return pollUntil(`${target} runs`, returnLimitMs, signal, async () => {
    const row = await cluster.find(target);
    return row !== undefined && sendKill(row.pid) ? row.pid : undefined;
  });
}

function sendKill(pid: number): boolean {
  try {
    return process.kill(pid, "SIGKILL");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return false;
    throw error;
  }
}

/** Another process has its name, and answers. */
async function isBack(cluster: DemoCluster, target: Target, killedPid: number): Promise<boolean> {
  const row = await cluster.find(target);
  if (row === undefined || row.pid === killedPid) return false;
  if (target === "primary" || target === "events" || target === "replica")
    return takesQueries(cluster, target);
  return row.url === undefined || isReady(row);
}

async function takesQueries(cluster: DemoCluster, server: ServerName): Promise<boolean> {
  try {
    const client = await cluster.connect(server);
    await client.query("select 1").finally(() => client.end());
    return true;
  } catch {
    return false;
  }
}

async function isReady(row: ClusterRow): Promise<boolean> {
  try {
    const answer = await request(`${row.url}/readyz`, { signal: AbortSignal.timeout(1_000) });
    await answer.body.dump();
    return answer.statusCode === 200;
  } catch {
    return false;
  }
}
