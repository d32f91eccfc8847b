import type { EventFilter, Subscription } from "../../gen/quartet/v1/subscription_pb.ts";
import type { LogEvent } from "../log/log-event.ts";

/** What of a subscription says which events it gets. */
export type Matching = Pick<Subscription, "name" | "types" | "typePrefixes" | "filters" | "replayOf">;

/** Whether a subscription gets an event. */
export type EventPredicate = (event: LogEvent) => boolean;

type AttributeReader = (event: LogEvent) => string | undefined;

/**
 * Compiles which events a subscription gets: those of its types or type prefixes (of every type when there are none) for
 * which all of its filters hold. Filters are those of the CloudEvents Subscriptions API, section 3.2.4, over the attributes
 * that are pushed, compared as they are, upper and lower case apart. An attribute that an event lacks, or that no event
 * has, matches nothing.
 *
 * @param domainName is part of the attribute `source`
 */
export function compileMatcher(subscription: Matching, domainName: string): EventPredicate {
  const attributes = readersOf(subscription.replayOf || subscription.name, domainName, subscription.replayOf);
  const filters = subscription.filters.map((filter) => compileFilter(filter, attributes));
  return allOf([...matchType(subscription), ...filters]);
}

function matchType({ types, typePrefixes }: Matching): EventPredicate[] {
  if (types.length === 0 && typePrefixes.length === 0) return [];
  const known = new Set(types);
  const prefixes = [...typePrefixes];
  return [({ type }) => known.has(type) || prefixes.some((prefix) => type.startsWith(prefix))];
}

/** All members that are set must hold. */
function compileFilter(
  filter: EventFilter,
  attributes: ReadonlyMap<string, AttributeReader>,
): EventPredicate {
  const compile = (member: EventFilter) => compileFilter(member, attributes);
  const compare = (
    operands: Readonly<Record<string, string>>,
    holds: (value: string, operand: string) => boolean,
  ): EventPredicate[] =>
    Object.entries(operands).map(([name, operand]) => {
      const read = attributes.get(name);
      if (read === undefined) return () => false;
      return (event) => {
        const value = read(event);
        return value !== undefined && holds(value, operand);
      };
    });
  const members = [
    ...compare(filter.exact, (value, operand) => value === operand),
    ...compare(filter.prefix, (value, operand) => value.startsWith(operand)),
    ...compare(filter.suffix, (value, operand) => value.endsWith(operand)),
    ...filter.all.map(compile),
  ];
  if (filter.any.length > 0) members.push(anyOf(filter.any.map(compile)));
  if (filter.not !== undefined) members.push(negate(compile(filter.not)));
  return allOf(members);
}

function allOf(predicates: readonly EventPredicate[]): EventPredicate {
  const [only] = predicates;
  if (only !== undefined && predicates.length === 1) return only;
  return (event) => predicates.every((holds) => holds(event));
}

function anyOf(predicates: readonly EventPredicate[]): EventPredicate {
  return (event) => predicates.some((holds) => holds(event));
}

function negate(holds: EventPredicate): EventPredicate {
  return (event) => !holds(event);
}

/** The attributes of a push that are known before it is made. */
function readersOf(name: string, domainName: string, replayOf: string): ReadonlyMap<string, AttributeReader> {
  const key: AttributeReader = (event) => event.key || undefined;
  return new Map<string, AttributeReader>([
    ["specversion", () => "1.0"],
    ["id", (event) => event.eventId],
    ["source", (event) => `/quartet/${domainName}/${event.source}`],
    ["type", (event) => event.type],
    ["time", (event) => event.committedAt.toISOString()],
    ["subject", key],
    ["partitionkey", key],
    ["sequence", (event) => event.seq.toString().padStart(19, "0")],
    ["quartetepoch", (event) => event.epoch.toString().padStart(10, "0")],
    ["quartetsubscription", () => name],
    ["quartetposition", (event) => event.position],
    ["quartetreplay", () => (replayOf === "" ? undefined : "1")],
    ["traceparent", (event) => event.traceparent || undefined],
    ["correlationid", (event) => event.correlationId || undefined],
    ["causationid", (event) => event.causationId || undefined],
  ]);
}
