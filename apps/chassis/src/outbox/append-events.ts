import type { SqlClient, Statement } from "../sql/sql-client.ts";
import type { OutboxEvent } from "./outbox-event.ts";

/** Inserts events, given as {@link eventColumns}. */
export const insertEventsSql = `insert into quartet.outbox
  (id, aggregatetype, aggregateid, type, payload, causationid, correlationid, traceparent, deliver_after)
select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::jsonb[], $6::text[], $7::text[], $8::text[],
  $9::timestamptz[])`;

/** The values of {@link insertEventsSql}: a column each. */
export function eventColumns(events: readonly OutboxEvent[]): readonly (readonly (string | null)[])[] {
  return [
    events.map((event) => event.id),
    events.map((event) => event.aggregateType),
    events.map((event) => event.aggregateId),
    events.map((event) => event.type),
    events.map((event) => event.payload),
    events.map((event) => event.causationId ?? null),
    events.map((event) => event.correlationId ?? null),
    events.map((event) => event.traceparent ?? null),
    events.map((event) => event.deliverAfter?.toISOString() ?? null),
  ];
}

/**
 * Appends events in the caller's transaction, in one statement. An event whose id is there already is left alone:
 * publishing a derived id twice is the same as once. Needs INSERT on the outbox and nothing else.
 *
 * @returns how many were new.
 */
export async function appendEvents(client: SqlClient, events: readonly OutboxEvent[]): Promise<number> {
  if (events.length === 0) return 0;
  const result = await client.query(appendStatement(events));
  return result.rowCount ?? 0;
}

/** The statement of {@link appendEvents}. */
export function appendStatement(events: readonly OutboxEvent[]): Statement {
  const columns = eventColumns(events);
  if (events.length === 1) return { ...appendOne, values: columns.flat() };
  return {
    name: "append events",
    text: `${insertEventsSql}\non conflict do nothing`,
    values: [...columns],
  };
}

/** Postgres plans anew, each time, what depends on how long an array is: that takes longer than to insert one event. */
const appendOne = {
  name: "append event",
  text: `insert into quartet.outbox
  (id, aggregatetype, aggregateid, type, payload, causationid, correlationid, traceparent, deliver_after)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict do nothing`,
};
