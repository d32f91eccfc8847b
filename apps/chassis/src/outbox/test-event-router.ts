/**
 * What Debezium's outbox event router (a Kafka Connect transformation) does with a change of an outbox table, as its
 * documentation says: https://debezium.io/documentation/reference/stable/transformations/outbox-event-router.html
 */

/** A change as the connector hands it to the router. */
export interface ConnectorChange {
  /** Create, read by a snapshot, update, delete. */
  readonly op: "c" | "r" | "u" | "d";
  /** `schema.table`. */
  readonly table: string;
  readonly after: Readonly<Record<string, string | null>> | undefined;
}

/** A record as it gets into Kafka. */
export interface KafkaRecord {
  readonly topic: string;
  readonly key: string | null;
  readonly value: unknown;
  readonly headers: Readonly<Record<string, string | null>>;
}

/** The router's options, by their documented names and with their documented defaults. */
export const routerDefaults = {
  "table.op.invalid.behavior": "warn",
  "table.field.event.id": "id",
  "table.field.event.key": "aggregateid",
  "table.field.event.timestamp": "",
  "table.field.event.payload": "payload",
  "table.expand.json.payload": "false",
  "table.fields.additional.placement": "",
  "table.field.event.schema.version": "",
  "route.by.field": "aggregatetype",
  "route.topic.regex": "(?<routedByValue>.*)",
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a placeholder of Debezium.
  "route.topic.replacement": "outbox.event.${routedByValue}",
  "route.tombstone.on.empty.payload": "false",
  "tracing.span.context.field": "tracingspancontext",
  "tracing.operation.name": "debezium-read",
  "tracing.with.context.field.only": "false",
} as const;

export type RouterOptions = Readonly<Record<keyof typeof routerDefaults, string>>;

/** One entry of `table.fields.additional.placement`. */
export interface PlacedColumn {
  readonly column: string;
  readonly placement: string;
  readonly alias: string;
}

/** `column:placement` or `column:placement:alias`, separated by commas. */
export function parsePlacement(text: string): readonly PlacedColumn[] {
  if (text === "") return [];
  return text.split(",").map((entry) => {
    const [column = "", placement = "", alias = column] = entry.trim().split(":");
    return { column, placement, alias };
  });
}

/**
 * The record that comes of a change, or undefined when none does.
 *
 * @throws Error where the connector would stop: a column that is not there, or an update that is said to be fatal
 */
export function routeChange(options: RouterOptions, change: ConnectorChange): KafkaRecord | undefined {
  if (change.op === "d") return undefined;
  if (change.op === "u") {
    if (options["table.op.invalid.behavior"] === "fatal") throw new Error("unexpected update");
    return undefined;
  }
  const row = change.after ?? {};
  const payload = read(row, options["table.field.event.payload"]);
  const placed = parsePlacement(options["table.fields.additional.placement"]);
  const at = (place: string) => placed.filter(({ placement }) => placement === place);
  const values = (columns: readonly PlacedColumn[]) =>
    Object.fromEntries(columns.map(({ column, alias }) => [alias, read(row, column)]));
  const value = options["table.expand.json.payload"] === "true" ? expand(payload) : payload;
  const tombstone = options["route.tombstone.on.empty.payload"] === "true" && !payload?.trim();
  const envelope = at("envelope");
  return {
    topic: topicOf(options, read(row, options["route.by.field"]) ?? ""),
    key: read(row, options["table.field.event.key"]),
    value: tombstone ? null : envelope.length > 0 ? { payload: value, ...values(envelope) } : value,
    headers: { id: read(row, options["table.field.event.id"]), ...values(at("header")) },
  };
}

/** A RegexRouter: what the expression does not match keeps its name. */
function topicOf(options: RouterOptions, routedBy: string): string {
  const match = new RegExp(`^(?:${options["route.topic.regex"]})$`).exec(routedBy);
  if (match === null) return routedBy;
  return options["route.topic.replacement"].replaceAll(
    /\$\{(\w+)\}|\$(\d+)/g,
    (_, name: string | undefined, number: string | undefined) =>
      (name === undefined ? match[Number(number)] : match.groups?.[name]) ?? "",
  );
}

/** Only objects and arrays are expanded; what cannot be parsed is kept as it is. */
function expand(payload: string | null): unknown {
  if (payload === null || !/^[{[]/.test(payload)) return payload;
  try {
    return JSON.parse(payload);
  } catch {
    return payload;
  }
}

function read(row: Readonly<Record<string, string | null>>, column: string): string | null {
  const value = row[column];
  if (value === undefined) throw new Error(`there is no field ${column} in the event`);
  return value;
}
