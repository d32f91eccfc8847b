import { create, createFileRegistry, type DescMessage, type JsonValue } from "@bufbuild/protobuf";
import { pino } from "pino";
import type { TestDatabase } from "../cluster/postgres/test-database.ts";
import { type OpenRuntime, openRuntime } from "../edge/open-runtime.ts";
import { type CommandAccepted, CommandAcceptedSchema, IntentSchema } from "../gen/quartet/v1/intent_pb.ts";
import { inboxSql } from "../inbox/inbox-ddl.ts";
import { createEventId, deriveReplyId } from "../outbox/event-id.ts";
import { outboxSql } from "../outbox/outbox-ddl.ts";
import { createTableSql } from "../pbtable/table-ddl.ts";
import { decodeStoredJson, encodeJson } from "../schema/json/json.ts";
import { systemTables } from "../schema/system-tables.ts";
import { tableOf } from "../schema/table/table.ts";
import { buildTestFile, testImports } from "../schema/test-file.ts";
import { type LooseMessage, make } from "../schema/test-schema.ts";
import type { CommandContext, ReactionContext } from "../service/contexts.ts";
import { defineDomain } from "../service/domain.ts";
import { reaction } from "../service/reaction.ts";
import { command, service } from "../service/service.ts";
import { write } from "../service/write.ts";
import { toCall } from "./accepted-call.ts";
import { printCause } from "./causing-event.ts";
import type { CommandCall } from "./command-call.ts";
import { decideCommand, decideReaction } from "./decide.ts";
import { describeDecision } from "./describe-decision.ts";
import { encodeIntent } from "./intent.ts";
import { packAnswer } from "./operations.ts";
import { receiveEvent } from "./receive-event.ts";
import { type ReceivedEvent, systemSubscriptions } from "./received-event.ts";
import { runDirect } from "./run-direct.ts";

const file = createFileRegistry(
  buildTestFile("ledger/v1/ledger", {
    enums: {},
    messages: {
      Act: { fields: { name: "string" } },
      Put: { fields: { table: "string", id: "string", value: "string", way: "string" } },
      Red: { table: { name: "ledger.red", key: ["id"] }, fields: { id: "string", value: "string" } },
      Blue: { table: { name: "ledger.blue", key: ["id"] }, fields: { id: "string", value: "string" } },
      Happened: { fields: { name: "string" } },
    },
    methods: { Do: {} },
  }),
  (name) => testImports.find((known) => known.proto.name === name),
);

/** Two tables of ids and values. */
export const [RedSchema, BlueSchema] = [messageNamed("Red"), messageNamed("Blue")];
const HappenedSchema = messageNamed("Happened");
const PutSchema = messageNamed("Put");

/** How a write changes a row. */
export type Way = "upsert" | "insert" | "patch" | "delete";

/** What a command or reaction of a test does. */
export type Script = (ctx: CommandContext | ReactionContext) => Promise<void>;

const scripts = new Map<string, Script>();

const put = write(PutSchema, async (tx, message) => {
  const { table, id, value, way } = message as LooseMessage &
    Record<"table" | "id" | "value" | "way", string>;
  const rows = tx.table(table === "red" ? RedSchema : BlueSchema);
  if (way === "delete") await rows.delete(id);
  else if (way === "insert") await rows.insert({ id, value });
  else if (way === "patch") await rows.patch(id, { value });
  else await rows.upsert({ id, value });
  return create(messageNamed("Act"), { name: id });
});

/** Adds a change of a row to a decision. */
export function change(ctx: CommandContext, way: Way, table: "red" | "blue", id: string, value = ""): void {
  ctx.write(put, { table, id, value, way });
}

/** The value of a row as a decision reads it. */
export async function readValue(ctx: CommandContext, table: "red" | "blue", id: string) {
  const row = await ctx.table(table === "red" ? RedSchema : BlueSchema).get(id);
  return (row as LooseMessage | undefined)?.["value"] as string | undefined;
}

const things = file.getService("ledger.v1.Things");
if (things === undefined) throw new Error("the file has no service");

const domain = defineDomain({
  name: "ledger",
  schema: file,
  services: [
    service(things, {
      do: command(async (ctx, request) => {
        await scriptOf(request as LooseMessage)(ctx);
        return request;
      }),
    } as never), // the method has no generated types
  ],
  writes: [put],
  reactions: [
    reaction(HappenedSchema, "happened", async (ctx, event) => scriptOf(event as LooseMessage)(ctx)),
  ],
});

/** A crud process of the domain on an empty database. */
export async function openLedger(database: TestDatabase): Promise<OpenRuntime> {
  for (const schema of ["quartet", "ledger"]) await database.query(`create schema if not exists ${schema}`);
  const tables = [...systemTables, tableOf(RedSchema), tableOf(BlueSchema)].map(createTableSql);
  for (const sql of [...outboxSql(new Date()), ...inboxSql, ...tables]) await database.query(sql);
  return openRuntime({
    domain,
    databaseUrl: database.url(),
    eventsDatabaseUrl: undefined,
    upstreams: { crud: [], micro: [], nano: [], lambda: [] },
    secret: Buffer.alloc(32),
    maxConnections: 8,
    log: pino({ level: "silent" }),
    expected: "crud",
    allowSurplus: true,
    statementTimeoutMs: 5_000,
  });
}

/** A command that runs a script, under an operation of its name. */
export function callOf(runtime: OpenRuntime, name: string, script: Script, keyed = true): CommandCall {
  scripts.set(name, script);
  const method = runtime.domain.methods.get("ledger.v1.Things/Do");
  if (method === undefined) throw new Error("the domain has no method");
  return {
    method,
    request: make(messageNamed("Act"), { name }),
    operationId: name,
    keyed,
    fingerprint: name,
    acceptTime: new Date(),
    expectedVersion: undefined,
    ...scope(),
    traceparent: undefined,
  };
}

export function direct(runtime: OpenRuntime, name: string, script: Script, keyed = true) {
  return runDirect(runtime, callOf(runtime, name, script, keyed));
}

/** Decides a command now, as a micro does; gives the push of its intent. */
export async function offload(runtime: OpenRuntime, name: string, script: Script): Promise<ReceivedEvent> {
  return decideNow(runtime, callOf(runtime, name, script), 1);
}

/** Decides an accepted command now, as a micro does whose replica is far enough. */
export async function offloadAgain(runtime: OpenRuntime, accepted: CommandAccepted): Promise<ReceivedEvent> {
  const event = pushOf(systemSubscriptions.decisions, CommandAcceptedSchema.typeName, {});
  return decideNow(runtime, toCall(runtime, event, accepted, scope()), accepted.attempt);
}

/** A command that was accepted, and runs a script. */
export function acceptedWith(
  runtime: OpenRuntime,
  name: string,
  script: Script,
  fingerprint: string,
): CommandAccepted {
  const { method, request, principal } = callOf(runtime, name, script);
  return create(CommandAcceptedSchema, {
    ...{ operationId: name, method: method.name, principal, fingerprint },
    request: packAnswer(request, runtime.domain.registry),
  });
}

/** The push of a command that was accepted, and runs a script. */
export function acceptance(
  runtime: OpenRuntime,
  subscription: "operations" | "decisions",
  name: string,
  script: Script,
  fingerprint: string,
): ReceivedEvent {
  const accepted = acceptedWith(runtime, name, script, fingerprint);
  const data = encodeJson(CommandAcceptedSchema, accepted, runtime.domain.registry);
  return pushOf(systemSubscriptions[subscription], CommandAcceptedSchema.typeName, data);
}

/** Pushes an accepted command to a micro, whose replica and outbox are the database of the crud. */
export async function decideInMicro(
  runtime: OpenRuntime,
  accepted: CommandAccepted,
  attempt = 1,
): Promise<void> {
  const micro = {
    ...runtime,
    found: { ...runtime.found, serviceClass: "micro" as const },
    outbox: runtime.main?.writer,
  };
  const data = encodeJson(CommandAcceptedSchema, accepted, runtime.domain.registry);
  const event = pushOf(systemSubscriptions.decisions, CommandAcceptedSchema.typeName, data);
  await receiveEvent(micro, { ...event, attempt }, scope());
}

/** How many intents of an operation were published. */
export async function intentsOf(database: TestDatabase, name: string): Promise<number> {
  const sql = "select from quartet.outbox where type = $1 and aggregateid = $2";
  return (await database.query(sql, [IntentSchema.typeName, name])).length;
}

async function decideNow(runtime: OpenRuntime, call: CommandCall, attempt: number): Promise<ReceivedEvent> {
  const { registry } = runtime.domain;
  const decision = await decideCommand(runtime, call);
  const head = { ...call, method: call.method.name, attempt, decided: describeDecision(runtime, decision) };
  const data = encodeJson(IntentSchema, encodeIntent(decision, head, registry), registry);
  return pushOf(systemSubscriptions.intents, IntentSchema.typeName, data);
}

function pushOf(subscription: string, type: string, data: JsonValue): ReceivedEvent {
  const facts = { key: "k", time: new Date(), attempt: 1, position: undefined, traceparent: undefined };
  return { subscription, id: createEventId(), type, data, ...facts };
}

/** An event that runs a script in the reaction. */
export function happen(name: string, script: Script): ReceivedEvent {
  scripts.set(name, script);
  return pushOf("reaction/happened", HappenedSchema.typeName, { name });
}

/** Decides a reaction now, as a micro does; gives the push of its intent. */
export async function offloadReaction(runtime: OpenRuntime, event: ReceivedEvent): Promise<ReceivedEvent> {
  const { registry, reactions } = runtime.domain;
  const happened = reactions.get("happened");
  if (happened === undefined) throw new Error("the domain has no reaction");
  const message = decodeStoredJson(HappenedSchema, event.data, registry);
  const decision = await decideReaction(runtime, happened, scope(), event, message);
  const intent = encodeIntent(decision, undefined, registry, printCause(event));
  const push = pushOf(
    systemSubscriptions.intents,
    IntentSchema.typeName,
    encodeJson(IntentSchema, intent, registry),
  );
  return { ...push, id: deriveReplyId(event.id, event.subscription, 0) };
}

export function receive(runtime: OpenRuntime, event: ReceivedEvent) {
  return receiveEvent(runtime, event, scope());
}

function scope() {
  return { principal: "tester", deadlineMs: Date.now() + 10_000, signal: AbortSignal.timeout(10_000) };
}

/** Commands that were published to be decided again, of one operation, in order. */
export async function acceptedAgain(database: TestDatabase, runtime: OpenRuntime, name: string) {
  const rows = await database.query<{ payload: JsonValue }>(
    "select payload from quartet.outbox where type = $1 and aggregateid = $2 order by place",
    [CommandAcceptedSchema.typeName, name],
  );
  return rows.map(({ payload }) => decodeStoredJson(CommandAcceptedSchema, payload, runtime.domain.registry));
}

/** How an operation ended: "committed", the code of its failure, or undefined. */
export async function endOf(database: TestDatabase, name: string): Promise<string | undefined> {
  const [row] = await database.query<{ state: string; code: string | null }>(
    "select pb->>'state' as state, pb->'problem'->>'code' as code from quartet.operation where operation_id = $1",
    [name],
  );
  return row?.code ?? (row?.state === "OPERATION_STATE_COMMITTED" ? "committed" : undefined);
}

/** All rows of both tables: `red/id` → value. */
export async function readAll(database: TestDatabase): Promise<Map<string, string>> {
  const rows = await database.query<{ name: string; value: string }>(
    `select 'red/' || id as name, value from ledger.red union all select 'blue/' || id, value from ledger.blue`,
  );
  return new Map(rows.map(({ name, value }) => [name, value]));
}

function scriptOf(message: LooseMessage): Script {
  const script = scripts.get(String(message["name"]));
  if (script === undefined) throw new Error(`there is no script ${message["name"]}`);
  return script;
}

function messageNamed(name: string): DescMessage {
  const found = file.getMessage(`ledger.v1.${name}`);
  if (found === undefined) throw new Error(`${name} is not in the ledger`);
  return found;
}
