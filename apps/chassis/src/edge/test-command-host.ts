import { createFileRegistry, type DescMessage, type DescService } from "@bufbuild/protobuf";
import { pino } from "pino";
import { request } from "undici";
import { QuartetError } from "../error/quartet-error.ts";
import { testSecret } from "../inbox/test-push.ts";
import { buildTestFile, testImports } from "../schema/test-file.ts";
import type { LooseMessage } from "../schema/test-schema.ts";
import { defineDomain } from "../service/domain.ts";
import { command, type Handlers, service } from "../service/service.ts";
import { write } from "../service/write.ts";
import { parseSecret } from "../wire/webhook/webhook-signature.ts";
import { createApp } from "./create-app.ts";
import { openListener } from "./listen.ts";
import { type OpenRuntime, openRuntime } from "./open-runtime.ts";

const file = buildTestFile("note/v1/note", {
  enums: {},
  messages: {
    Note: {
      table: { name: "note.notes", key: ["id"] },
      event: { key: "id" },
      fields: { id: "string", text: "string", times: "int64" },
    },
  },
  methods: {
    Add: { mode: 1, http: { post: "/v1/notes", body: "*" } },
    AddLater: { mode: 3, http: { post: "/v1/notes:later", body: "*" } },
  },
});
const registry = createFileRegistry(file, (name) => testImports.find((known) => known.proto.name === name));
// The file has these two.
const NoteSchema = registry.getMessage("note.v1.Note") as DescMessage;
const NotesService = registry.getService("note.v1.Things") as DescService;

/** Where notes with the text `held` stop, inside the transaction of their write, until they are let go. */
export class HeldWrites {
  #arrived = Promise.withResolvers<void>();
  #gone = Promise.withResolvers<void>();
  /** Whoever comes now is not stopped. */
  isOpen = false;

  /** Resolves when a write has stopped. */
  get arrived(): Promise<void> {
    return this.#arrived.promise;
  }

  /** Lets go those that have stopped; the next one stops again. */
  letGo(): void {
    this.#gone.resolve();
    this.#arrived = Promise.withResolvers<void>();
    this.#gone = Promise.withResolvers<void>();
  }

  async stop(): Promise<void> {
    if (this.isOpen) return;
    const gone = this.#gone.promise;
    this.#arrived.resolve();
    await gone;
  }
}

/**
 * A domain of notes: a command counts how often its note was added, which is not idempotent by itself, and publishes it.
 * The text `refused` is refused by the decision, `vain` is a decision that another try may mend.
 */
export function noteDomain(held: HeldWrites) {
  const addNote = write(NoteSchema, async (tx, note) => {
    const { id, text } = note as LooseMessage;
    if (text === "held") await held.stop();
    const notes = tx.table(NoteSchema);
    tx.publish(NoteSchema, { id, text });
    if (await notes.insertIfAbsent({ id, text, times: 1n })) return notes.update(String(id), () => undefined);
    return notes.update(String(id), (draft) => {
      const row = draft as LooseMessage;
      row["times"] = (row["times"] as bigint) + 1n;
    });
  });
  const add = command(async (ctx, note) => {
    const { text } = note as LooseMessage;
    if (text === "refused") throw new QuartetError("failed_precondition", "Refused.", { field: "text" });
    if (text === "vain") throw new QuartetError("unavailable", "Not now.");
    return ctx.write(addNote, note as never);
  });
  return defineDomain({
    name: "note",
    schema: registry,
    services: [service(NotesService, { add, addLater: add } as unknown as Handlers<DescService>)], // no generated types
    writes: [addNote],
  });
}

/** A process of the crud class, listening. */
export interface CommandHost extends AsyncDisposable {
  readonly runtime: OpenRuntime;
  readonly url: string;
}

export async function openCommandHost(
  databaseUrl: string,
  held: HeldWrites = new HeldWrites(),
  node = "first",
): Promise<CommandHost> {
  await using stack = new AsyncDisposableStack();
  const runtime = stack.use(
    await openRuntime({
      domain: noteDomain(held),
      databaseUrl,
      eventsDatabaseUrl: undefined,
      upstreams: { crud: [], micro: [], nano: [], lambda: [] },
      secret: Buffer.alloc(32),
      maxConnections: 4,
      log: pino({ level: "silent" }),
      expected: "crud",
      allowSurplus: true,
      node,
    }),
  );
  const app = createApp(runtime, { pushSecrets: [parseSecret(testSecret)], isReady: async () => true });
  const listener = stack.use(await openListener(app, 0, "127.0.0.1"));
  const owned = stack.move();
  return {
    runtime,
    url: `http://127.0.0.1:${listener.port}`,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** An answer, read to its end. */
export interface HostAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests read answers of every shape.
  readonly json: any;
}

/** Sends one request of JSON, or without a body. Never sends it again. */
export async function ask(
  verb: "GET" | "POST",
  url: string,
  headers: Readonly<Record<string, string>> = {},
  json?: unknown,
): Promise<HostAnswer> {
  const answer = await request(url, {
    method: verb,
    headers: { ...(json === undefined ? {} : { "content-type": "application/json" }), ...headers },
    body: json === undefined ? null : JSON.stringify(json),
  });
  const text = await answer.body.text();
  return {
    status: answer.statusCode,
    headers: answer.headers,
    text,
    json: text === "" ? {} : JSON.parse(text),
  };
}
