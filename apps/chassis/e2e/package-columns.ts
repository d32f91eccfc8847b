/** Reads the table's columns through Kysely, with the types that were generated for them. */
export const soundFile = `import type { QueryContext } from "@quartet/chassis";

export async function readText(ctx: QueryContext, noteId: string): Promise<string | undefined> {
  const note = ctx.db.selectFrom("notes.note").select(["text", "version"]).where("note_id", "=", noteId);
  const row = await note.executeTakeFirst();
  const version: bigint | undefined = row?.version;
  return version === undefined ? undefined : row?.text;
}
`;

/** Each line from the fourth on is a mistake that the compiler must find. */
export const mistakenFile = `import type { CommandContext, QueryContext } from "@quartet/chassis";
import { storeNote } from "./notes.ts";

export const table = (ctx: QueryContext) => ctx.db.selectFrom("notes.nought");
export const column = (ctx: QueryContext) => ctx.db.selectFrom("notes.note").select("colour");
export const value = (ctx: QueryContext) => ctx.db.selectFrom("notes.note").where("text", "=", 1);
export const insert = (ctx: QueryContext) => ctx.db.insertInto("notes.note");
export const intent = (ctx: CommandContext) => ctx.write(storeNote, { note: { noteId: 1 } });
`;
