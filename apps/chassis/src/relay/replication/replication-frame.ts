import { ByteReader, postgresNowMicros } from "./byte-reader.ts";
import type { Lsn } from "./lsn.ts";

/**
 * What the server sends inside CopyData while it streams
 * (https://www.postgresql.org/docs/18/protocol-replication.html#PROTOCOL-REPLICATION-START-REPLICATION).
 */
export type ReplicationFrame =
  /** One pgoutput message, from `offset` to the end of the frame. */
  | { readonly kind: "data"; readonly offset: number }
  /** Everything up to `walEnd` has been decoded and, where published, sent before this frame. */
  | { readonly kind: "keepalive"; readonly walEnd: Lsn; readonly replyRequested: boolean };

const dataFrame: ReplicationFrame = { kind: "data", offset: 25 };

/** Reads the head of one CopyData frame. Throws an `internal` error for an unknown or truncated one. */
export function readFrame(bytes: Buffer): ReplicationFrame {
  // w: its three numbers (start, end, time) tell nothing that the commit message does not tell better.
  if (bytes[0] === 0x77 && bytes.length > 25) return dataFrame;
  const reader = new ByteReader(bytes);
  const tag = reader.uint8();
  if (tag !== 0x6b) throw reader.fault(`unknown or truncated frame 0x${tag.toString(16)}`);
  const walEnd = reader.lsn();
  reader.time();
  return { kind: "keepalive", walEnd, replyRequested: reader.uint8() === 1 };
}

/**
 * A standby status update. Written, flushed and applied are all the acknowledged position: a received but unstored
 * transaction must count for nothing, neither for the slot nor for synchronous replication. Exactly the commit end:
 * one byte more and the server skips a commit that starts there.
 */
export function encodeStatus(acknowledged: Lsn, replyRequested: boolean): Buffer {
  const status = Buffer.allocUnsafe(34);
  status[0] = 0x72; // r
  status.writeBigUInt64BE(acknowledged, 1);
  status.writeBigUInt64BE(acknowledged, 9);
  status.writeBigUInt64BE(acknowledged, 17);
  status.writeBigInt64BE(postgresNowMicros(), 25);
  status[33] = replyRequested ? 1 : 0;
  return status;
}
