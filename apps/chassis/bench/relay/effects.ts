import type { Pool, QueryResultRow } from "pg";
import type { BenchEvent, Effects } from "../peers/peer.ts";

/** What a handler writes: a row an event. Nothing keeps an event from having two, so that it is seen. */
export const effectsSql: readonly string[] = [
  "create schema if not exists bench",
  `create table bench.effect (
  place bigint generated always as identity primary key,
  subscriber text not null,
  event_id uuid not null,
  key text not null,
  seq int not null,
  effected_at timestamptz not null default clock_timestamp()
)`,
];

/** Called with the ids of events when their effects are committed. */
export type OnCommitted = (eventIds: readonly string[]) => void;

/** The effects as handlers of peers write them, by named statements on a pool of their own. */
export function createEffects(pool: Pool, onCommitted: OnCommitted): Effects {
  return {
    write: async (event) => {
      await pool.query({ ...insertEffect, values: ["", event.id, event.key, event.seq] });
      onCommitted([event.id]);
    },
    writeMany: async (events) => {
      const values = subscriberEffectColumns(
        events.map(() => ""),
        events,
      );
      await pool.query({ ...insertEffects, values });
      onCommitted(events.map((event) => event.id));
    },
  };
}

/** One row. */
export const insertEffect = {
  name: "effect",
  text: "insert into bench.effect (subscriber, event_id, key, seq) values ($1, $2, $3, $4)",
};

/** Many rows, in their order. */
export const insertEffects = {
  name: "effects",
  text: `insert into bench.effect (subscriber, event_id, key, seq)
select * from unnest($1::text[], $2::uuid[], $3::text[], $4::int[])`,
};

export function subscriberEffectColumns(
  subscribers: readonly string[],
  events: readonly Pick<BenchEvent, "id" | "key" | "seq">[],
): unknown[] {
  return [
    subscribers,
    events.map((event) => event.id),
    events.map((event) => event.key),
    events.map((event) => event.seq),
  ];
}

/** What became of events that were published. */
export interface EffectReport {
  readonly rows: number;
  readonly lost: number;
  readonly doubled: number;
  /** Effects that came after that of a later event of their key. */
  readonly outOfOrder: number;
  /** By the database's clock, in ms since 1970. */
  readonly firstAt: number;
  readonly lastAt: number;
}

/**
 * Ours must do what it promises before any speed is said.
 *
 * @throws Error unless each event had one effect, in the order of its key
 */
export function requireExact(name: string, report: EffectReport): void {
  const { lost, doubled, outOfOrder } = report;
  if (lost + doubled + outOfOrder > 0) throw new Error(`${name}: ${describeFaults(report).join(", ")}`);
}

/** What is not as it should be, in words. */
export function describeFaults({ lost, doubled, outOfOrder }: EffectReport): readonly string[] {
  return [
    lost > 0 ? `${lost} lost` : "",
    doubled > 0 ? `${doubled} doubled` : "",
    outOfOrder > 0 ? `${outOfOrder} out of order` : "",
  ].filter((text) => text !== "");
}

type Query = <Row extends QueryResultRow>(text: string, values?: readonly unknown[]) => Promise<Row[]>;

/** Counts the effects of `expected` events that were published to each of so many subscribers. */
export async function readEffects(query: Query, expected: number): Promise<EffectReport> {
  const [row] = await query<{
    rows: number;
    events: number;
    out_of_order: number;
    first: number;
    last: number;
  }>(
    `select count(*)::int as rows, count(distinct (subscriber, event_id))::int as events,
  count(*) filter (where seq < before)::int as out_of_order,
  coalesce(extract(epoch from min(effected_at)) * 1000, 0)::float8 as first,
  coalesce(extract(epoch from max(effected_at)) * 1000, 0)::float8 as last
from (select *, max(seq) over (partition by subscriber, key order by place rows between unbounded preceding and 1 preceding) as before
  from bench.effect) as effect`,
  );
  const { rows, events, out_of_order, first, last } = row ?? {
    rows: 0,
    events: 0,
    out_of_order: 0,
    first: 0,
    last: 0,
  };
  return {
    rows,
    lost: expected - events,
    doubled: rows - events,
    outOfOrder: out_of_order,
    firstAt: first,
    lastAt: last,
  };
}

/** How many rows there are, cheaply: those of transactions that were rolled back are counted too. */
export async function countEffects(query: Query): Promise<number> {
  const [row] = await query<{ count: number }>(
    "select case when is_called then last_value else 0 end::int as count from bench.effect_place_seq",
  );
  return row?.count ?? 0;
}
