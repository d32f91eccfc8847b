import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Cluster } from "./open-cluster.ts";
import { pollUntil } from "./poll-until.ts";
import { type Answer, send } from "./send-request.ts";
import { placeOrder } from "./shop-client.ts";

/** Clients that place keyed orders, and send each again with its key until it is answered. */
export interface OrderLoad {
  /** Orders that were answered with success so far. */
  readonly accepted: readonly AcceptedOrder[];
  /** Answers that no well-behaved client should see. */
  readonly unexpected: readonly string[];
  /** Resolves when so many more orders have been accepted. */
  more(count: number, limitMs?: number): Promise<void>;
  /** Lets every client end its order. */
  stop(): Promise<void>;
}

export interface AcceptedOrder {
  readonly key: string;
  readonly orderId: string;
  readonly sku: string;
  readonly quantity: number;
  /** How often it was sent. */
  readonly attempts: number;
}

const orderLimitMs = 40_000;

/** Starts clients at the cluster's door. */
export function startOrderLoad(cluster: Cluster, skus: readonly string[], clients = 10): OrderLoad {
  const accepted: AcceptedOrder[] = [];
  const unexpected: string[] = [];
  let running = true;
  const runClient = async (place: number) => {
    for (let count = 0; running; count++) {
      const sku = skus[(place + count) % skus.length] ?? "";
      const order = { orderId: randomUUID(), sku, quantity: 1 + (count % 3) };
      const key = randomUUID();
      try {
        accepted.push({ ...order, key, attempts: await placeUntilAnswered(cluster.door, order, key) });
      } catch (error) {
        unexpected.push(String(error));
      }
    }
  };
  const all = Array.from({ length: clients }, (_, place) => runClient(place));
  return {
    accepted,
    unexpected,
    more: async (count, limitMs = 40_000) => {
      const wanted = accepted.length + count;
      await pollUntil(`${count} more orders`, () => accepted.length >= wanted, limitMs);
    },
    stop: async () => {
      running = false;
      await Promise.all(all);
    },
  };
}

/** Places one order; sends it again with the same key while it is not answered for good. Returns how often. */
async function placeUntilAnswered(
  door: string,
  order: { readonly orderId: string; readonly sku: string; readonly quantity: number },
  key: string,
): Promise<number> {
  const untilMs = Date.now() + orderLimitMs;
  let last = "";
  for (let attempts = 1; Date.now() < untilMs; attempts++) {
    const answer = await placeOrder(door, order, key).catch((error: Error) => error);
    if (answer instanceof Error) last = answer.message;
    else {
      last = `${answer.status} ${answer.text}`;
      if (answer.status === 200 || (answer.status === 202 && (await hasEnded(door, answer)))) return attempts;
      if (answer.status !== 202 && answer.status !== 409 && answer.status < 500) break;
    }
    await delay(50);
  }
  throw new Error(`order ${order.orderId}: ${last}`);
}

async function hasEnded(door: string, accepted: Answer): Promise<boolean> {
  const headers = { Prefer: "wait=5" };
  const answer = await send("GET", door + accepted.headers.location, { headers }).catch(() => undefined);
  return answer?.json?.response !== undefined;
}
