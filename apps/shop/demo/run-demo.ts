import { balanceAnswers } from "./balance/answer-balance.ts";
import { awaitQuiet } from "./balance/await-quiet.ts";
import { readBooks } from "./balance/books.ts";
import type { Check } from "./balance/check.ts";
import { balanceEvents } from "./balance/event-balance.ts";
import { balanceHistories } from "./balance/history-balance.ts";
import { balanceOrders } from "./balance/order-balance.ts";
import { balanceSagas } from "./balance/saga-balance.ts";
import { balanceStock } from "./balance/stock-balance.ts";
import type { DemoCluster } from "./cluster/demo-cluster.ts";
import { type Kill, planKills, runKills } from "./cluster/run-kills.ts";
import type { DemoOptions } from "./options.ts";
import { Progress } from "./progress.ts";
import { createRandom } from "./random.ts";
import { createAssortment } from "./trade/assortment.ts";
import { Ledger } from "./trade/ledger.ts";
import { openShop } from "./trade/open-shop.ts";
import { planDay } from "./trade/plan-day.ts";
import { runTrade } from "./trade/run-trade.ts";
import { settleFates } from "./trade/settle-fates.ts";
import { ShopClient } from "./trade/shop-client.ts";
import type { Trade } from "./trade/trade.ts";

/** How a day went. */
export interface DayReport {
  readonly checks: readonly Check[];
  readonly kills: readonly Kill[];
  readonly requests: number;
  readonly retried: number;
  /** Answers by status, and attempts without one by network error. */
  readonly answers: Readonly<Record<string, number>>;
  readonly tradeSeconds: number;
}

const concurrency = 32;

/**
 * Runs a day of trade against the cluster and draws the balance.
 *
 * @throws Error when something does not come back or cannot be read; the signal's reason when it aborts.
 */
export async function runDemo(
  cluster: DemoCluster,
  options: DemoOptions,
  signal: AbortSignal,
): Promise<DayReport> {
  const random = createRandom(options.seed);
  const assortment = createAssortment(random, options.requests);
  const planned = options.kill ? planKills(random, options.requests) : [];
  await using client = new ShopClient(cluster.gatewayUrl, concurrency * 2, signal);
  const trade: Trade = { client, ledger: new Ledger(), assortment };
  using progress = new Progress(client, options.requests);
  await openShop(trade, signal);
  const startedMs = performance.now();
  const day = planDay(random, assortment);
  let killing = true;
  const share = () => client.done / options.requests;
  const isOver = () => signal.aborted || (share() >= 1 && !killing);
  const tell = (what: string) => progress.killed(what);
  const [kills, faults] = await Promise.all([
    runKills(planned, cluster, share, tell, signal).finally(() => {
      killing = false;
    }),
    runTrade(trade, day, concurrency, isOver, signal),
  ]);
  const tradeSeconds = (performance.now() - startedMs) / 1000;
  progress.phase("the day is over; asking what became of the last orders");
  await settleFates(trade, concurrency);
  const checks = await drawBalance(cluster, trade, faults, progress, signal);
  const { done: requests, retried, counts } = client;
  return { checks, kills, requests, retried, answers: Object.fromEntries(counts), tradeSeconds };
}

async function drawBalance(
  cluster: DemoCluster,
  { ledger }: Trade,
  faults: readonly string[],
  progress: Progress,
  signal: AbortSignal,
): Promise<readonly Check[]> {
  await using connections = new AsyncDisposableStack();
  const primary = await cluster.connect("primary");
  connections.defer(() => primary.end());
  const events = await cluster.connect("events");
  connections.defer(() => events.end());
  const unrest = await awaitQuiet(
    primary,
    events,
    ({ unlogged, undelivered, parked, openOperations }) =>
      progress.phase(
        `settling: ${unlogged} events to log, ${undelivered} to deliver, ${parked} parked, ${openOperations} operations open`,
      ),
    signal,
  );
  progress.phase("drawing the balance");
  const books = await readBooks(primary, events);
  return [
    ...balanceStock(books, ledger),
    ...balanceOrders(books, ledger),
    ...balanceSagas(books),
    ...balanceHistories(books),
    ...balanceEvents(books, unrest),
    ...balanceAnswers(ledger, faults),
  ];
}
