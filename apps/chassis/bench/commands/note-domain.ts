import { createFileRegistry, type DescMessage, type DescService } from "@bufbuild/protobuf";
import { QuartetError } from "../../src/error/quartet-error.ts";
import { CommandMode } from "../../src/gen/quartet/v1/options_pb.ts";
import { buildTestFile, testImports } from "../../src/schema/test-file.ts";
import type { LooseMessage } from "../../src/schema/test-schema.ts";
import { type Domain, defineDomain } from "../../src/service/domain.ts";
import { command, type Handlers, query, service } from "../../src/service/service.ts";
import { write } from "../../src/service/write.ts";

/** What a client sends, to ours and to the bare handler alike. */
export interface Note {
  readonly id: string;
  readonly text: string;
  readonly number: number;
}

const file = buildTestFile("bench_notes/v1/notes", {
  enums: {},
  messages: {
    Note: {
      table: { name: "bench_notes.notes", key: ["id"], index: [{ field: ["number"] }] },
      event: { key: "id" },
      fields: { id: "string", text: "string", number: "int32" },
    },
  },
  methods: {
    Add: { mode: CommandMode.DIRECT, http: { post: "/v1/notes", body: "*" } },
    AddOffloaded: { mode: CommandMode.OFFLOADED, http: { post: "/v1/notes:offloaded", body: "*" } },
    AddLater: { mode: CommandMode.ASYNC, http: { post: "/v1/notes:later", body: "*" } },
    Get: { idempotent: true, http: { get: "/v1/notes/{id}" } },
  },
});
const registry = createFileRegistry(file, (name) => testImports.find((known) => known.proto.name === name));
// The file has these two.
const NoteSchema = registry.getMessage("bench_notes.v1.Note") as DescMessage;
const NotesService = registry.getService("bench_notes.v1.Things") as DescService;

/** The type of the event that each added note publishes. */
export const noteAddedType = NoteSchema.typeName;

/** One table write and one event. A note that is there already is refused, so nothing can be added twice unseen. */
const addNote = write(NoteSchema, async (tx, note) => {
  const { id = "", text, number } = note as LooseMessage;
  const init = { id, text, number };
  const added = await tx.table(NoteSchema).insert(init);
  tx.publish(NoteSchema, init);
  return added;
});

const add = command(async (ctx, note) => ctx.write(addNote, note as never));
const get = query(async (ctx, note) => {
  const { id } = note as LooseMessage;
  const found = await ctx.table(NoteSchema).getStored(String(id));
  if (found === undefined) throw new QuartetError("not_found", `There is no note ${String(id)}.`);
  return found;
});

/** Notes that are added in every mode, and read by key. */
export const noteDomain: Domain = defineDomain({
  name: "bench_notes",
  schema: registry,
  // A descriptor that is built at run time has no types of its methods.
  services: [
    service(NotesService, { add, addOffloaded: add, addLater: add, get } as unknown as Handlers<DescService>),
  ],
  writes: [addNote],
});

export function createNote(number: number): Note {
  return {
    id: noteId(number),
    text: `A note of some length, as people write them: number ${number}`,
    number,
  };
}

export function noteId(number: number): string {
  return `note-${number}`;
}
