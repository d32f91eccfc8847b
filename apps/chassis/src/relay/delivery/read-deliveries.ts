import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  DeliveryState,
  type EventDeliveriesSchema,
  type EventDelivery,
  EventDeliverySchema,
} from "../../gen/quartet/v1/relay_admin_pb.ts";
import type { DeadLetter, Subscription } from "../../gen/quartet/v1/subscription_pb.ts";
import { systemRegistry } from "../../schema/system-registry.ts";
import type { SqlClient } from "../../sql/sql-client.ts";
import type { LogEvent } from "../log/log-event.ts";
import { compileMatcher } from "../subscription/match-event.ts";
import { readSubscriptionRows } from "../subscription/subscription-rows.ts";
import { letterIdOf, parseLetter } from "./dead-letter.ts";

/** An event for a subscription that takes it. */
interface Pair {
  readonly event: LogEvent;
  readonly subscription: Subscription;
  readonly letterId: string;
}

/**
 * How far events are with each subscription that takes them, in one snapshot. What the cursor has passed, and is neither
 * parked nor a dead letter, is delivered. Replays are left out; so are subscriptions that are younger than the event,
 * unless it is still before them: nobody knows any more where those began.
 *
 * @param domainName as `compileMatcher` takes it
 */
export async function readDeliveries(
  client: SqlClient,
  domainName: string,
  events: readonly LogEvent[],
): Promise<readonly MessageInitShape<typeof EventDeliveriesSchema>[]> {
  const pairs = await findPairs(client, domainName, events);
  const states = pairs.length === 0 ? [] : await readStates(client, pairs);
  const byEvent = Map.groupBy(states, ({ seq }) => seq);
  return events.map((event) => ({
    sequence: event.seq,
    eventId: event.eventId,
    eventType: event.type,
    eventKey: event.key,
    commitTime: timestampFromDate(event.committedAt),
    causationId: event.causationId ?? "",
    deliveries: (byEvent.get(event.seq) ?? []).map(({ delivery }) => delivery),
  }));
}

async function findPairs(
  client: SqlClient,
  domainName: string,
  events: readonly LogEvent[],
): Promise<readonly Pair[]> {
  const subscriptions = [...(await readSubscriptionRows(client, new Map())).values()]
    .map(({ subscription }) => subscription)
    .filter(({ replayOf }) => replayOf === "");
  const matchers = subscriptions.map((subscription) => ({
    subscription,
    matches: compileMatcher(subscription, domainName),
  }));
  return events.flatMap((event) =>
    matchers.flatMap(({ subscription, matches }) =>
      matches(event) ? [{ event, subscription, letterId: letterIdOf(subscription.name, event.eventId) }] : [],
    ),
  );
}

interface StateRow {
  readonly place: number;
  readonly cursor: bigint | null;
  readonly attempts: number | null;
  readonly last_status: number | null;
  readonly last_answer: string | null;
  readonly last_destination: string | null;
  readonly due_at: Date | null;
  readonly letter: string | null;
}

async function readStates(client: SqlClient, pairs: readonly Pair[]) {
  const { rows } = await client.query<StateRow>({
    name: "read deliveries",
    text: `select pair.place::int as place, cursor.seq as cursor, parked.attempts, parked.last_status, parked.last_answer,
  parked.last_destination, parked.due_at, letter.pb::text as letter
from unnest($1::text[], $2::bigint[], $3::text[]) with ordinality as pair (subscription, seq, letter_id, place)
left join quartet.delivery_cursor cursor on cursor.subscription = pair.subscription
left join quartet.delivery_parked parked on parked.subscription = pair.subscription and parked.seq = pair.seq
left join quartet.dead_letter letter on letter.dead_letter_id = pair.letter_id
order by pair.place`,
    values: [
      pairs.map(({ subscription }) => subscription.name),
      pairs.map(({ event }) => event.seq),
      pairs.map(({ letterId }) => letterId),
    ],
  });
  return rows.flatMap((row) => {
    const pair = pairs[row.place - 1];
    const delivery = pair && describe(pair, row);
    return pair === undefined || delivery === undefined ? [] : [{ seq: pair.event.seq, delivery }];
  });
}

function describe({ event, subscription, letterId }: Pair, row: StateRow): EventDelivery | undefined {
  const delivery = create(EventDeliverySchema, { subscription: subscription.name });
  if (row.attempts !== null) return describeParked(delivery, row);
  if (row.letter !== null) return describeDead(delivery, letterId, parseLetter(row.letter, systemRegistry));
  const isPassed = row.cursor !== null && row.cursor >= event.seq;
  const createTime =
    subscription.createTime === undefined ? undefined : timestampDate(subscription.createTime);
  if (isPassed && createTime !== undefined && createTime > event.committedAt) return undefined;
  delivery.state = isPassed ? DeliveryState.DELIVERED : DeliveryState.WAITING;
  return delivery;
}

function describeParked(delivery: EventDelivery, row: StateRow): EventDelivery {
  delivery.state = DeliveryState.PARKED;
  delivery.attempts = row.attempts ?? 0;
  delivery.lastStatus = row.last_status ?? 0;
  delivery.lastAnswer = row.last_answer ?? "";
  delivery.destination = row.last_destination ?? "";
  if (row.due_at !== null) delivery.dueTime = timestampFromDate(row.due_at);
  return delivery;
}

function describeDead(delivery: EventDelivery, letterId: string, letter: DeadLetter): EventDelivery {
  delivery.state = DeliveryState.DEAD;
  delivery.deadLetterId = letterId;
  delivery.attempts = letter.attempts;
  delivery.lastStatus = letter.lastStatus;
  delivery.lastAnswer = letter.lastAnswer;
  delivery.destination = letter.destination;
  return delivery;
}
