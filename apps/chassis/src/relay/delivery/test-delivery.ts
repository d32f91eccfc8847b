import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { pino } from "pino";
import { applySchema } from "../../apply/apply-schema.ts";
import { createTestLogin, testDomain } from "../../apply/test-domain.ts";
import { pollUntil } from "../../cluster/postgres/poll-until.ts";
import { openTestDatabase, type TestDatabase } from "../../cluster/postgres/test-database.ts";
import { ClassUpstreams, type ClassUrls } from "../../edge/upstream/class-upstreams.ts";
import { type Subscription, SubscriptionSchema } from "../../gen/quartet/v1/subscription_pb.ts";
import { createEventId } from "../../outbox/event-id.ts";
import { parseSecret } from "../../wire/webhook/webhook-signature.ts";
import type { EventLog } from "../log/event-log.ts";
import type { CapturedEvent } from "../log/log-event.ts";
import { openPostgresLog } from "../log/postgres-log.ts";
import { type PushTarget, resolveTarget } from "../push/push-target.ts";
import { anywhere } from "../push/test-push.ts";
import { silentObserver } from "../relay-observer.ts";
import { toLsn } from "../replication/lsn.ts";
import { createSubscription } from "../subscription/create-subscription.ts";
import { runSubscription } from "./run-subscription.ts";
import type { RunnerParts } from "./runner-parts.ts";

/** A database with a log, for tests of deliveries: subscriptions on it run as in a relay. */
export interface TestDelivery extends AsyncDisposable {
  readonly database: TestDatabase;
  readonly log: EventLog;
  /** Appends events to the log: of several keys in turn. Returns their ids, in order, by key. */
  append(events: number, keys: number): Promise<ReadonlyMap<string, readonly string[]>>;
  appendEvents(events: readonly Partial<CapturedEvent>[]): Promise<readonly string[]>;
  /** Creates a subscription to what is appended from now on. */
  subscribe(endpoint: string, init?: SubscriptionInit): Promise<Subscription>;
  /** Runs a subscription under a lease of its own, greater than those before. */
  run(subscription: Subscription, options?: RunOptions): TestRun;
  /** Resolves when the cursor is at the head and nothing is parked. */
  caughtUp(subscription: Subscription): Promise<void>;
  cursorOf(name: string): Promise<bigint>;
}

export type SubscriptionInit = Omit<
  Exclude<MessageInitShape<typeof SubscriptionSchema>, { readonly $typeName: string }>,
  "endpoint"
>;

export interface RunOptions {
  readonly onPoint?: RunnerParts["onPoint"];
  readonly epoch?: bigint;
  readonly upstreams?: Partial<ClassUrls>;
  readonly observer?: RunnerParts["observer"];
  /** Of another process: it has nothing in memory of what was appended here. */
  readonly otherLog?: boolean;
  /** Default: what its endpoint says, anywhere. The run disposes it. */
  readonly target?: PushTarget;
}

export interface TestRun extends AsyncDisposable {
  /** Of the relay's logger. */
  readonly lines: readonly string[];
  /** Resolves, or rejects, as the run does. */
  readonly ended: Promise<void>;
  stop(): void;
}

/** Delivers at once again, so that tests need not wait. */
export const quickRetries = { backoffDelay: durationFromMs(5) };

const secret = parseSecret(`whsec_${Buffer.alloc(32, 1).toString("base64")}`);
let names = 0;
/** Beyond those that the database gives out, so that a run can be begun at once. */
let epochs = 10n ** 15n;

export async function openTestDelivery(): Promise<TestDelivery> {
  await using stack = new AsyncDisposableStack();
  const database = stack.use(await openTestDatabase());
  await applySchema(testDomain, { databaseUrl: database.url(), eventsDatabaseUrl: database.url() });
  // Of the login that a relay has, with its rights and no others.
  const relay = await createTestLogin(database, "quartet_relay", "relay");
  const pool = database.openPool(relay, { maxConnections: 8 });
  const log = stack.use(openPostgresLog({ pool }));
  const fence = { source: "main", epoch: 1n };
  await log.takeSource(fence);
  let point = 0n;
  const appendEvents = async (events: readonly Partial<CapturedEvent>[]) => {
    const captured = events.map(eventOf);
    point += 1_000n;
    const batch = { point: { commitLsn: toLsn(point), rows: events.length }, confirmed: toLsn(point) };
    await log.append(fence, { events: captured, ...batch, checkIds: false });
    return captured.map(({ eventId }) => eventId);
  };
  const owned = stack.move();
  const cursorOf = async (name: string) => {
    const [row] = await database.query<{ seq: bigint }>(
      "select seq from quartet.delivery_cursor where subscription = $1",
      [name],
    );
    return row?.seq ?? -1n;
  };
  return {
    database,
    log,
    cursorOf,
    appendEvents,
    append: async (events, keys) => {
      const made = Array.from({ length: events }, (_, index) => ({ key: `key-${index % keys}` }));
      const ids = await appendEvents(made);
      const byKey = Map.groupBy(ids.keys(), (index) => `key-${index % keys}`);
      return new Map([...byKey].map(([key, places]) => [key, places.map((place) => ids[place] ?? "")]));
    },
    subscribe: (endpoint, init = {}) =>
      createSubscription(
        pool,
        log,
        create(SubscriptionSchema, { name: `test-${++names}`, delivery: quickRetries, ...init, endpoint }),
      ),
    run: (subscription, options = {}) => {
      const lines: string[] = [];
      const logger = pino({ level: "info" }, { write: (line) => void lines.push(line) });
      const urls = { crud: [], micro: [], nano: [], lambda: [], ...options.upstreams };
      const upstreams = new ClassUpstreams(urls);
      const controller = new AbortController();
      const target = options.target ?? resolveTarget(subscription, upstreams, anywhere);
      const other = options.otherLog ? openPostgresLog({ pool }) : undefined;
      const parts: RunnerParts = {
        pool,
        log: other ?? log,
        domain: testDomain,
        push: { domainName: "test", secrets: [secret], registry: testDomain.registry },
        logger,
        observer: options.observer ?? silentObserver,
        ...(options.onPoint === undefined ? {} : { onPoint: options.onPoint }),
      };
      const epoch = options.epoch ?? ++epochs;
      const lease = { name: `subscription/${subscription.name}`, epoch, signal: controller.signal };
      const ended = runSubscription(parts, subscription, target, lease);
      ended.catch(() => undefined);
      return {
        lines,
        ended,
        stop: () => controller.abort(),
        [Symbol.asyncDispose]: async () => {
          controller.abort();
          await ended.catch(() => undefined);
          await target[Symbol.asyncDispose]();
          await other?.[Symbol.asyncDispose]();
          await upstreams[Symbol.asyncDispose]();
        },
      };
    },
    caughtUp: async ({ name }) => {
      const caughtUp = await pollUntil(
        async () => {
          const [cursor, head] = [await cursorOf(name), await log.readHead()];
          const parked = await database.query(
            "select from quartet.delivery_parked where subscription = $1 limit 1",
            [name],
          );
          return cursor === head.seq && parked.length === 0 ? true : undefined;
        },
        { timeoutMs: 30_000, intervalMs: 20 },
      );
      if (!caughtUp) throw new Error(`${name} has not caught up`);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function eventOf(changes: Partial<CapturedEvent>): CapturedEvent {
  return {
    source: "main",
    eventId: createEventId(),
    type: "test.v1.Noted",
    key: "",
    payload: '{"text":"noted"}',
    causationId: undefined,
    correlationId: undefined,
    traceparent: undefined,
    committedAt: new Date(),
    position: undefined,
    deliverAfter: undefined,
    ...changes,
  };
}
