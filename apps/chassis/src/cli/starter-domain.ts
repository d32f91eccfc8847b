/** A whole domain to begin with, of one table, one query and one command: texts by path. */
export function createStarterDomain(name: string): Readonly<Record<string, string>> {
  return {
    [`proto/${name}/v1/notes.proto`]: protoOf(name),
    "src/notes.ts": handlersOf(name),
    "quartet.config.ts": configOf(name),
    "tsconfig.json": `${JSON.stringify(compilerSettings, null, 2)}\n`,
    ".gitignore": "node_modules/\n.quartet/\nsrc/gen/\n",
  };
}

/** What Node needs to run TypeScript as it is, and what finds the most mistakes. */
const compilerSettings = {
  compilerOptions: {
    target: "esnext",
    lib: ["esnext"],
    types: ["node"],
    module: "nodenext",
    noEmit: true,
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    noImplicitOverride: true,
    noImplicitReturns: true,
    noPropertyAccessFromIndexSignature: true,
    verbatimModuleSyntax: true,
    erasableSyntaxOnly: true,
    allowImportingTsExtensions: true,
    skipLibCheck: true,
  },
  include: ["src", "quartet.config.ts"],
};

function protoOf(name: string): string {
  return `syntax = "proto3";

package ${name}.v1;

import "google/api/annotations.proto";
import "quartet/v1/options.proto";

// A row of the table ${name}.note.
message Note {
  option (quartet.v1.table) = {
    name: "${name}.note"
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

// The input of the write that stores a note.
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
`;
}

function handlersOf(name: string): string {
  return `import { command, QuartetError, query, service, write } from "@quartet/chassis";
import { Notes, NoteSchema, StoreNoteSchema } from "./gen/${name}/v1/notes_pb.ts";

/** Stores a note: new, or with another text. */
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
    const note = await ctx.table(NoteSchema).get(noteId);
    if (note === undefined) throw new QuartetError("not_found", \`There is no note \${noteId}.\`);
    return note;
  }),

  putNote: command(async (ctx, { noteId, text }) => {
    if (noteId === "") throw new QuartetError("invalid_argument", "A note needs an id.", { field: "note_id" });
    return ctx.write(storeNote, { note: { noteId, text } });
  }),
});
`;
}

function configOf(name: string): string {
  return `import { defineDomain } from "@quartet/chassis";
import { schema } from "./src/gen/domain.ts";
import { notes, storeNote } from "./src/notes.ts";

export default defineDomain({
  name: "${name}",
  schema,
  services: [notes],
  writes: [storeNote],
  examples: [
    { verb: "POST", path: "/v1/notes", body: { noteId: "first", text: "hello" } },
    { verb: "GET", path: "/v1/notes/first" },
  ],
});
`;
}
