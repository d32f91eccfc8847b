import type { Client } from "pg";

export interface StockRow {
  readonly sku: string;
  readonly available: number;
  readonly sold: number;
  readonly received: number;
}

export interface OrderRow {
  readonly orderId: string;
  readonly customer: string;
  readonly sku: string;
  readonly quantity: number;
  /** Without `ORDER_STATUS_`. */
  readonly status: string;
}

/** A row beside what is kept and published of its changes. */
export interface ChangedRow {
  readonly id: string;
  readonly version: number;
  /** Changes in its table's history, or published of it. */
  readonly changes: number;
}

export interface OperationRow {
  readonly operationId: string;
  readonly method: string;
  /** Without `OPERATION_STATE_`. */
  readonly state: string;
}

export interface EventRow {
  readonly id: string;
  readonly type: string;
  /** The order that an event of the shop is about. */
  readonly key: string;
}

export interface LoggedRow extends EventRow {
  /** It is delivered later, and has no place in the log before. */
  readonly delayed: boolean;
}

export interface DeadLetterRow {
  readonly subscription: string;
  readonly eventType: string;
  readonly eventId: string;
  readonly attempts: number;
  readonly lastStatus: number;
  readonly lastAnswer: string;
}

/** All that the databases say of the day. */
export interface Books {
  readonly stock: readonly StockRow[];
  readonly orders: readonly OrderRow[];
  /** How often the customer was told, by order. */
  readonly confirmations: ReadonlyMap<string, number>;
  /** Orders, and how many changes their history keeps. */
  readonly histories: readonly ChangedRow[];
  /** Orders there were a day before the first change of one. */
  readonly ordersBefore: number;
  /** Products, and how many changes were published. */
  readonly products: readonly ChangedRow[];
  /** How many prices were noted of each product that has one. */
  readonly prices: ReadonlyMap<string, number>;
  readonly operations: readonly OperationRow[];
  /** Of both databases. */
  readonly outbox: readonly EventRow[];
  /** In their order, and in the end what has no place yet. */
  readonly log: readonly LoggedRow[];
  /** `consumer event-id` of every effect, of both databases. */
  readonly effects: ReadonlySet<string>;
  /** Event types that each reaction takes, by the name of its subscription. */
  readonly reactions: ReadonlyMap<string, readonly string[]>;
  readonly deadLetters: readonly DeadLetterRow[];
}

const outboxSql = "select id::text, type, aggregateid as key from quartet.outbox";
/** Of one moment: timeouts of sagas move from one to the other whatever the day does. */
const logSql = `select id, type, key, delayed from (
  select event_id::text as id, type, key, false as delayed, seq from quartet.event_log
  union all select event_id::text, type, key, true, null from quartet.event_log_delayed
) known order by seq`;
const effectsSql = "select consumer || ' ' || event_id as effect from quartet.inbox";

const historiesSql = `select order_id as id, version::int as version,
  (select count(*)::int from shop.orders_history h where h.order_id = o.order_id) as changes from shop.orders o`;
const ordersBeforeSql = `select count(*)::int as count
from shop.orders_as_of((select coalesce(min(changed_at), now()) - interval '1 day' from shop.orders_history))`;
const productsSql = `select sku as id, version::int as version, (select count(*)::int from quartet.outbox
  where type = 'shop.v1.Product.changed' and aggregateid = p.sku) as changes from shop.products p`;
const pricesSql = "select sku, count(*)::int as count from shop.prices group by sku";

/** Reads the books of the primary and of the events database. */
export async function readBooks(primary: Client, events: Client): Promise<Books> {
  const read = async <T extends object>(client: Client, sql: string) => (await client.query<T>(sql)).rows;
  const inboxes = [
    await read<{ effect: string }>(primary, effectsSql),
    await read<{ effect: string }>(events, effectsSql),
  ];
  const confirmations = await read<{ order_id: string; times: number }>(
    primary,
    "select order_id, times from shop.confirmations",
  );
  const subscriptions = await read<{ name: string; types: readonly string[] }>(
    events,
    "select name, types from quartet.subscription where name like 'reaction/%'",
  );
  return {
    stock: await read(
      primary,
      "select sku, available::float8 as available, sold::float8 as sold, received::float8 as received from shop.stock",
    ),
    orders: await read(
      primary,
      `select order_id as "orderId", customer, sku, quantity, replace(status, 'ORDER_STATUS_', '') as status
from shop.orders`,
    ),
    confirmations: new Map(confirmations.map((row) => [row.order_id, row.times])),
    histories: await read(primary, historiesSql),
    ordersBefore: (await read<{ count: number }>(primary, ordersBeforeSql))[0]?.count ?? 0,
    products: await read(primary, productsSql),
    prices: new Map(
      (await read<{ sku: string; count: number }>(primary, pricesSql)).map(({ sku, count }) => [sku, count]),
    ),
    operations: await read(
      primary,
      `select operation_id as "operationId", method, replace(state, 'OPERATION_STATE_', '') as state
from quartet.operation`,
    ),
    outbox: [...(await read<EventRow>(primary, outboxSql)), ...(await read<EventRow>(events, outboxSql))],
    log: await read(events, logSql),
    effects: new Set(inboxes.flat().map((row) => row.effect)),
    reactions: new Map(subscriptions.map((row) => [row.name, row.types])),
    deadLetters: await read(
      events,
      `select subscription, event_type as "eventType", event_id as "eventId", attempts, last_status as "lastStatus",
  last_answer as "lastAnswer" from quartet.dead_letter`,
    ),
  };
}
