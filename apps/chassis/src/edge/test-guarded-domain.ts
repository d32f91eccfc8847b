import { createFileRegistry, type DescMessage, type DescService } from "@bufbuild/protobuf";
import { type Kysely, sql } from "kysely";
import { MethodKind } from "../gen/quartet/v1/options_pb.ts";
import type { TableTypes } from "../pbtable/table-types.ts";
import { buildTestFile, testImports } from "../schema/test-file.ts";
import type { LooseMessage } from "../schema/test-schema.ts";
import type { CallContext, QueryContext, ServiceClient } from "../service/contexts.ts";
import { type Domain, defineDomain } from "../service/domain.ts";
import { command, compute, type Handlers, query, service } from "../service/service.ts";

const file = buildTestFile("guarded/v1/guarded", {
  enums: {},
  messages: {
    Work: {
      table: { name: "guarded.work", key: ["id"] },
      fields: { id: "string", ms: "int32", text: "string" },
    },
  },
  methods: {
    /** Runs one statement of `ms`. */
    Read: { idempotent: true },
    /** The same in a command, after asking the lambda; it writes nothing. */
    Decide: { mode: 2 },
    DecideHere: { mode: 1 },
    /** Whatever the test does with it. */
    Compute: { kind: MethodKind.COMPUTE, idempotent: true },
    /** Gives back what it gets. */
    Repeat: { kind: MethodKind.COMPUTE, idempotent: true },
  },
});
const registry = createFileRegistry(file, (name) => testImports.find((known) => known.proto.name === name));
// The file has these two.
const GuardedThings = registry.getService("guarded.v1.Things") as DescService;
export const WorkSchema = registry.getMessage("guarded.v1.Work") as DescMessage;

/** What a step of a request had, in ms: time left, and the limit of its statements. */
export interface Seen {
  readonly step: string;
  readonly leftMs: number;
  readonly limitMs?: number;
}

/** Guarded's own methods, by name. */
type GuardedClient = ServiceClient<DescService> &
  Readonly<Record<string, (request: unknown) => Promise<unknown>>>;

/**
 * A domain whose methods tell what time they have.
 *
 * @param computing what the compute does
 */
export function createGuardedDomain(computing: (request: LooseMessage) => unknown = () => undefined): {
  readonly domain: Domain;
  readonly seen: Seen[];
} {
  const seen: Seen[] = [];
  const look = (step: string, ctx: CallContext, limitMs?: number) =>
    void seen.push({
      step,
      leftMs: ctx.deadlineMs - Date.now(),
      ...(limitMs === undefined ? {} : { limitMs }),
    });
  const decide = command(async (ctx, request) => {
    look("command", ctx);
    const lambda = ctx.call(GuardedThings) as GuardedClient;
    await lambda["compute"]?.({ id: (request as LooseMessage)["id"] });
    look("sql", ctx, await readSlowly(ctx, request as LooseMessage));
    return request;
  });
  const handlers = {
    read: query(async (ctx, request) => {
      look("sql", ctx, await readSlowly(ctx, request as LooseMessage));
      return request;
    }),
    decide,
    decideHere: decide,
    compute: compute(async (request, ctx) => {
      look("compute", ctx);
      await computing(request as LooseMessage);
      return request;
    }),
    repeat: compute(async (request) => request),
  };
  const domain = defineDomain({
    name: "guarded",
    schema: registry,
    // A descriptor that is built at run time has no types of its methods.
    services: [service(GuardedThings, handlers as unknown as Handlers<DescService>)],
    writes: [],
  });
  return { domain, seen };
}

/** The statement's own limit in ms, after `ms` of the request. */
async function readSlowly(ctx: QueryContext, request: LooseMessage): Promise<number> {
  const seconds = Number(request["ms"]) / 1000;
  const row = await (ctx.db as Kysely<TableTypes>)
    .selectFrom(
      sql<{
        limit: string;
        slept: string;
      }>`(select (select setting from pg_settings where name = 'statement_timeout') as "limit", pg_sleep(${seconds})::text as slept)`.as(
        "slow",
      ),
    )
    .select(["slow.limit", "slow.slept"])
    .executeTakeFirstOrThrow();
  return Number(row.limit);
}
