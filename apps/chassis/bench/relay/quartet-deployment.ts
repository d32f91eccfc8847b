import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { create } from "@bufbuild/protobuf";
import type { TestServer } from "../../src/cluster/postgres/test-database.ts";
import { ContentMode } from "../../src/gen/quartet/v1/options_pb.ts";
import { SubscriptionSchema } from "../../src/gen/quartet/v1/subscription_pb.ts";
import { inboxTableSql } from "../../src/inbox/inbox-table.ts";
import { activeSecrets, printableSecret } from "../../src/relay/push/subscription-secrets.ts";
import { insertSubscription } from "../../src/relay/subscription/create-subscription.ts";
import { runTransaction } from "../../src/sql/run-transaction.ts";
import { parseSecret } from "../../src/wire/webhook/webhook-signature.ts";
import { type BenchChild, openChild } from "../harness/child.ts";
import type { ProcessUsage } from "../harness/process-usage.ts";
import type { RelaySettings } from "../harness/serve-relay.ts";
import { benchEventType, benchSecret } from "./bench-domain.ts";
import type { ConsumerSettings } from "./consumer-process.ts";
import { type EffectsDatabase, openEffectsDatabase } from "./effects-database.ts";
import { type OutboxDatabase, openOutboxDatabase } from "./outbox-database.ts";
import type { Deployment } from "./side.ts";

/** What subscribes to the outbox of a deployment. */
export interface BenchSubscription {
  readonly name: string;
  /** Takes requests and never answers. */
  readonly hangs?: boolean;
  readonly paused?: boolean;
}

export interface QuartetOptions {
  readonly kind: "message" | "batch";
  readonly subscriptions: readonly BenchSubscription[];
  /** Pushes under way at once, for each subscription. Default: what one subscription alone is fastest with. */
  readonly concurrency?: number;
  /** Note when effects are committed. */
  readonly times: boolean;
}

/** A whole deployment of ours: a database with an outbox, a relay, and a consumer on a database of its own. */
export interface QuartetDeployment extends Deployment {
  readUsage(): Promise<QuartetUsage>;
}

export interface QuartetUsage {
  readonly relay: ProcessUsage;
  readonly consumer: ProcessUsage;
}

const relayEntry = fileURLToPath(new URL("./relay-process.ts", import.meta.url));
const consumerEntry = fileURLToPath(new URL("./consumer-process.ts", import.meta.url));

/** A batch is of 100 events, so a few keep a consumer busy. */
const bestConcurrency = { message: 128, batch: 16 } as const;
const batchEvents = 100;
const readyLimitMs = 30_000;

/**
 * Makes a deployment that has captured before, as one has that is in use: its slot is there, and its relay is stopped. It
 * delivers from `start` on; what is published before is its backlog.
 */
export async function openQuartet(server: TestServer, options: QuartetOptions): Promise<QuartetDeployment> {
  await using stack = new AsyncDisposableStack();
  const outbox = stack.use(await openOutboxDatabase(server));
  const effects = stack.use(await openEffectsDatabase(server));
  for (const sql of inboxTableSql()) await effects.query(sql);
  await captureOnce(outbox);
  const consumer = stack.use(await openChild(consumerEntry));
  stack.defer(() => consumer.ask<void>("stop"));
  await subscribe(options, { outbox, effects, consumer });
  const relay = stack.use(await openChild(relayEntry));
  stack.defer(() => relay.ask<void>("stop"));
  const owned = stack.move();
  return {
    ...effects,
    publish: (event) => outbox.publish(event),
    publishMany: (events) => outbox.publishMany(events),
    start: () => relay.ask("start", relaySettings(outbox)),
    takeTimes: () => consumer.ask("takeTimes"),
    readUsage: async () => ({
      relay: await relay.ask("readUsage"),
      consumer: await consumer.ask("readUsage"),
    }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

interface Parts {
  readonly outbox: OutboxDatabase;
  readonly effects: EffectsDatabase;
  readonly consumer: BenchChild;
}

/** Starts the consumer, and subscribes it from now on. */
async function subscribe(options: QuartetOptions, parts: Parts): Promise<void> {
  const settings: ConsumerSettings = {
    databaseUrl: parts.effects.url,
    kind: options.kind,
    secrets: options.subscriptions.flatMap(({ name }) => secretsOf(name)),
    times: options.times,
  };
  const port = await parts.consumer.ask<number>("start", settings);
  await runTransaction(parts.outbox.pool, async (client) => {
    const head = await client.query<{ seq: bigint }>("select seq from quartet.event_log_head");
    for (const { name, hangs = false, paused = false } of options.subscriptions) {
      const row = {
        name,
        paused,
        types: [benchEventType],
        endpoint: `http://127.0.0.1:${port}/${hangs ? "hang" : "events"}`,
        concurrency: options.concurrency ?? bestConcurrency[options.kind],
        mode: options.kind === "batch" ? ContentMode.BATCH : ContentMode.UNSPECIFIED,
        batch: { maxEvents: batchEvents },
      };
      await insertSubscription(client, row, head.rows[0]?.seq ?? 0n);
    }
  });
}

function secretsOf(name: string): readonly string[] {
  const subscription = create(SubscriptionSchema, { name });
  return activeSecrets([parseSecret(benchSecret)], subscription, Date.now()).secrets.map(printableSecret);
}

/** Runs a relay until it streams from its slot: what is published then is in the WAL for the next one. */
async function captureOnce(outbox: OutboxDatabase): Promise<void> {
  await using relay = await openChild(relayEntry);
  await relay.ask("start", relaySettings(outbox));
  const limit = performance.now() + readyLimitMs;
  while (!(await isCapturing(outbox))) {
    if (performance.now() > limit) throw new Error(`the relay does not capture within ${readyLimitMs} ms`);
    await delay(20);
  }
  await relay.ask("stop");
}

/** Outbox, log and subscriptions are in one database; who subscribes is no class. */
function relaySettings({ relayUrl }: OutboxDatabase): RelaySettings {
  const upstreams = { crud: [], micro: [], nano: [], lambda: [] };
  return { databaseUrl: relayUrl, eventsDatabaseUrl: relayUrl, upstreams };
}

/** Whether the slot is being read, and no repair is due. */
async function isCapturing({ pool }: OutboxDatabase): Promise<boolean> {
  const found = await pool.query(
    `select from pg_replication_slots slot, quartet.event_log_capture capture
where slot.database = current_database() and slot.active and capture.repair_due is null and capture.system_id is not null`,
  );
  return (found.rowCount ?? 0) > 0;
}
