/** A whole domain of one table, one query and one command, as a newcomer writes it: files by path. */
export const domainFiles: Readonly<Record<string, string>> = {
  "tsconfig.json": JSON.stringify({
    compilerOptions: {
      target: "esnext",
      lib: ["esnext"],
      types: ["node"],
      module: "nodenext",
      noEmit: true,
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      noPropertyAccessFromIndexSignature: true,
      verbatimModuleSyntax: true,
      erasableSyntaxOnly: true,
      allowImportingTsExtensions: true,
      skipLibCheck: false,
    },
    include: ["src", "quartet.config.ts"],
  }),

  "proto/notes/v1/notes.proto": `syntax = "proto3";

package notes.v1;

import "google/api/annotations.proto";
import "quartet/v1/options.proto";

message Note {
  option (quartet.v1.table) = {
    name: "notes.note"
    key: "note_id"
  };

  string note_id = 1;
  string text = 2;
}

message GetNoteRequest {
  string note_id = 1;
}

message PutNoteRequest {
  string note_id = 1;
  string text = 2;
}

message StoreNote {
  Note note = 1;
}

service Notes {
  rpc GetNote(GetNoteRequest) returns (Note) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (google.api.http) = {get: "/v1/notes/{note_id}"};
  }
  rpc PutNote(PutNoteRequest) returns (Note) {
    option (google.api.http) = {
      post: "/v1/notes"
      body: "*"
    };
    option (quartet.v1.method) = {mode: COMMAND_MODE_OFFLOADED};
  }
}
`,

  "src/notes.ts": `import { command, QuartetError, query, service, write } from "@quartet/chassis";
import { Notes, NoteSchema, StoreNoteSchema } from "./gen/notes/v1/notes_pb.ts";

export const storeNote = write(StoreNoteSchema, async (tx, { note }) => {
  if (note === undefined) throw new QuartetError("invalid_argument", "There is no note to store.");
  const notes = tx.table(NoteSchema);
  if (await notes.insertIfAbsent(note)) return note;
  return notes.update(note.noteId, (stored) => {
    stored.text = note.text;
  });
});

export const notes = service(Notes, {
  getNote: query(async (ctx, { noteId }) => {
    const row = await ctx.db
      .selectFrom("notes.note")
      .select(["note_id", "text"])
      .where("note_id", "=", noteId)
      .executeTakeFirst();
    if (row === undefined) throw new QuartetError("not_found", \`There is no note \${noteId}.\`);
    return { noteId: row.note_id, text: row.text };
  }),

  putNote: command(async (ctx, { noteId, text }) => ctx.write(storeNote, { note: { noteId, text } })),
});
`,

  "quartet.config.ts": `import { defineDomain } from "@quartet/chassis";
import { schema } from "./src/gen/domain.ts";
import { notes, storeNote } from "./src/notes.ts";

export default defineDomain({ name: "notes", schema, services: [notes], writes: [storeNote] });
`,
};

/** Each exported line is a mistake that the compiler must find. */
export const mistakenFile = `import type { CommandContext, QueryContext } from "@quartet/chassis";
import { storeNote } from "./notes.ts";

export const table = (ctx: QueryContext) => ctx.db.selectFrom("notes.nought");
export const column = (ctx: QueryContext) => ctx.db.selectFrom("notes.note").select("colour");
export const value = async (ctx: QueryContext): Promise<number | undefined> => (await ctx.db.selectFrom("notes.note").select("text").executeTakeFirst())?.text;
export const writes = (ctx: QueryContext) => ctx.db.insertInto("notes.note");
export const intent = (ctx: CommandContext) => ctx.write(storeNote, { note: { noteId: 1 } });
`;
