import { create, createRegistry } from "@bufbuild/protobuf";
import { pino } from "pino";
import { testSecret } from "../inbox/test-push.ts";
import { NoteSchema, PlainSchema } from "../pbtable/history/test-history.ts";
import { LineSchema, type LooseMessage } from "../schema/test-schema.ts";
import { defineDomain } from "../service/domain.ts";
import { reaction } from "../service/reaction.ts";
import { write } from "../service/write.ts";
import { parseSecret } from "../wire/webhook/webhook-signature.ts";
import { createApp } from "./create-app.ts";
import { type Listener, openListener } from "./listen.ts";
import { type OpenRuntime, openRuntime } from "./open-runtime.ts";

/** Adds a text to a row. Not idempotent by itself. */
export const addText = write(PlainSchema, async (tx, plain) => {
  const { id, text } = plain as LooseMessage;
  const rows = tx.table(PlainSchema);
  if (text === "refused") throw new RangeError("refused");
  if (!(await rows.insertIfAbsent({ id, text }))) {
    await rows.update(
      String(id),
      (draft) => void Object.assign(draft, { text: `${(draft as LooseMessage)["text"]}, ${text}` }),
    );
  }
  tx.publish(LineSchema, { sku: `stored ${text}` });
  return create(PlainSchema, { id, text });
});

const lambda = { class: "lambda" } as const;

/** Reactions to a `kept.v1.Note`, of each kind. */
export const inboxDomain = defineDomain({
  name: "kept",
  schema: createRegistry(NoteSchema, PlainSchema, LineSchema),
  services: [],
  writes: [addText],
  reactions: [
    reaction(
      NoteSchema,
      "store",
      async (ctx, note) => {
        const { id, text } = note as LooseMessage;
        ctx.write(addText, { id, text });
        ctx.publish(LineSchema, { sku: `beside ${text}` });
      },
      lambda,
    ),
    reaction(
      NoteSchema,
      "tell",
      async (ctx, note) => {
        const { text } = note as LooseMessage;
        ctx.publish(LineSchema, { sku: `first ${text}` }, { key: "told" });
        ctx.publish(
          LineSchema,
          { sku: `second ${text}` },
          { deliverAfter: new Date("2040-01-01T00:00:00Z") },
        );
      },
      lambda,
    ),
    reaction(NoteSchema, "look", async (ctx) => void (await ctx.table(PlainSchema).get("n")), lambda),
    reaction(NoteSchema, "idle", async () => undefined, lambda),
    reaction(NoteSchema, "plain", async (ctx, note) => {
      const { id, text } = note as LooseMessage;
      ctx.write(addText, { id, text: ctx.event.attempt > 1 ? `${text} again` : text });
    }),
  ],
});

/** A process of the domain, listening: a lambda, or a crud on a database. */
export interface InboxProcess extends AsyncDisposable {
  readonly runtime: OpenRuntime;
  readonly listener: Listener;
  /** Of its inbox. */
  readonly url: string;
}

/** @param databaseUrl undefined: a lambda */
export async function openInboxProcess(
  databaseUrl: string | undefined,
  secrets: readonly string[] = [testSecret],
): Promise<InboxProcess> {
  await using stack = new AsyncDisposableStack();
  const runtime = stack.use(
    await openRuntime({
      domain: inboxDomain,
      databaseUrl,
      eventsDatabaseUrl: undefined,
      upstreams: { crud: [], micro: [], nano: [], lambda: [] },
      secret: Buffer.alloc(32),
      maxConnections: 4,
      log: pino({ level: "silent" }),
      expected: databaseUrl === undefined ? "lambda" : "crud",
      allowSurplus: true,
    }),
  );
  const app = createApp(runtime, { pushSecrets: secrets.map(parseSecret), isReady: async () => true });
  const listener = stack.use(await openListener(app, 0, "127.0.0.1"));
  const owned = stack.move();
  return {
    runtime,
    listener,
    url: `http://127.0.0.1:${listener.port}/_quartet/inbox`,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
