import { ByteReader } from "./byte-reader.ts";
import type {
  BeginMessage,
  CommitMessage,
  PgoutputMessage,
  RelationMessage,
  TupleValue,
} from "./pgoutput-message.ts";

/** First bytes of messages. */
export const beginTag = 0x42; // B
export const insertTag = 0x49; // I
export const logicalMessageTag = 0x4d; // M

/**
 * Decodes one pgoutput message (protocol version 1, text format) that starts at `offset` and fills the buffer: all but
 * inserts, which `readInsertedRow` reads. Pure. Throws an `internal` error for an unknown, truncated or overlong message;
 * never reads outside the buffer.
 */
export function decodePgoutput(bytes: Buffer, offset = 0): PgoutputMessage {
  const reader = new ByteReader(bytes, offset);
  const message = readMessage(reader);
  if (reader.remaining > 0) throw reader.fault(`${reader.remaining} bytes too many`);
  return message;
}

function readMessage(reader: ByteReader): PgoutputMessage {
  const tag = reader.uint8();
  switch (tag) {
    case beginTag:
      return readBegin(reader);
    case 0x43: // C
      return readCommit(reader);
    case 0x52: // R
      return readRelation(reader);
    case 0x55: // U
      return readUpdate(reader);
    case 0x44: // D
      return readDelete(reader);
    case 0x54: // T
      return readTruncate(reader);
    case logicalMessageTag:
      return readLogicalMessage(reader);
    case 0x59: // Y
      return { kind: "type", typeId: reader.uint32(), schema: reader.cstring(), name: reader.cstring() };
    case 0x4f: // O
      return { kind: "origin", lsn: reader.lsn(), name: reader.cstring() };
    default:
      throw reader.fault(`unknown message type 0x${tag.toString(16)}`);
  }
}

function readBegin(reader: ByteReader): BeginMessage {
  return { kind: "begin", commitLsn: reader.lsn(), commitTime: reader.time(), xid: reader.uint32() };
}

function readCommit(reader: ByteReader): CommitMessage {
  reader.skip(1); // flags, unused in version 1
  const commitLsn = reader.lsn();
  const commitEndLsn = reader.lsn();
  reader.skip(8); // the time, which begin has told
  return { kind: "commit", commitLsn, commitEndLsn };
}

function readRelation(reader: ByteReader): RelationMessage {
  const relationId = reader.uint32();
  const schema = reader.cstring();
  const table = reader.cstring();
  reader.uint8(); // replica identity
  const columns: string[] = [];
  for (let count = reader.uint16(); count > 0; count--) {
    reader.uint8(); // 1 = part of the key
    columns.push(reader.cstring());
    reader.uint32(); // type
    reader.uint32(); // type modifier
  }
  // The server leaves the schema empty for pg_catalog.
  return { kind: "relation", relationId, schema: schema === "" ? "pg_catalog" : schema, table, columns };
}

function readUpdate(reader: ByteReader): PgoutputMessage {
  const relationId = reader.uint32();
  let tag = reader.uint8();
  let old: readonly TupleValue[] | null = null;
  if (isOldTuple(tag)) {
    old = readTuple(reader);
    tag = reader.uint8();
  }
  expectNewTuple(reader, tag);
  return { kind: "update", relationId, old, tuple: readTuple(reader) };
}

function readDelete(reader: ByteReader): PgoutputMessage {
  const relationId = reader.uint32();
  const tag = reader.uint8();
  if (!isOldTuple(tag)) throw reader.fault(`tuple type 0x${tag.toString(16)} where K or O is due`);
  return { kind: "delete", relationId, old: readTuple(reader) };
}

function readTruncate(reader: ByteReader): PgoutputMessage {
  const count = reader.uint32();
  reader.uint8(); // CASCADE, RESTART IDENTITY
  const relationIds: number[] = [];
  for (let read = 0; read < count; read++) relationIds.push(reader.uint32());
  return { kind: "truncate", relationIds };
}

function readLogicalMessage(reader: ByteReader): PgoutputMessage {
  const transactional = (reader.uint8() & 1) === 1;
  const lsn = reader.lsn();
  const prefix = reader.cstring();
  return { kind: "message", transactional, lsn, prefix, content: reader.bytes(reader.uint32()) };
}

function readTuple(reader: ByteReader): TupleValue[] {
  const tuple: TupleValue[] = [];
  for (let count = reader.uint16(); count > 0; count--) tuple.push(readTupleValue(reader));
  return tuple;
}

function readTupleValue(reader: ByteReader): TupleValue {
  const tag = reader.uint8();
  switch (tag) {
    case 0x74: // t
      return reader.text(reader.uint32());
    case 0x6e: // n
      return null;
    case 0x75: // u
      return undefined;
    default: // includes b: the binary format is never asked for
      throw reader.fault(`unknown column format 0x${tag.toString(16)}`);
  }
}

function isOldTuple(tag: number): boolean {
  return tag === 0x4b || tag === 0x4f; // K, O
}

function expectNewTuple(reader: ByteReader, tag: number): void {
  if (tag !== 0x4e) throw reader.fault(`tuple type 0x${tag.toString(16)} where N is due`);
}
