import { QuartetError } from "../../error/quartet-error.ts";

const headerBytes = 20;
const postgresEpochMs = Date.UTC(2000, 0, 1);

/**
 * Arrays in Postgres' binary format (`array_recv`): as parameters they cost neither side any quoting. pg sends a Buffer as
 * a binary value, and the statement has to name its type.
 */

/** A `text[]`. Null where a value is undefined. */
export function encodeTextArray(values: readonly (string | undefined)[]): Buffer {
  let size = headerBytes;
  // A UTF-16 unit is three bytes at most.
  for (const value of values) size += 4 + (value === undefined ? 0 : value.length * 3);
  const bytes = Buffer.allocUnsafe(size);
  let offset = headerBytes;
  let nulls = 0;
  for (const value of values) {
    const length = value === undefined ? -1 : bytes.write(value, offset + 4);
    bytes.writeInt32BE(length, offset);
    offset += 4 + Math.max(0, length);
    if (length < 0) nulls = 1;
  }
  writeHeader(bytes, 25, values.length, nulls);
  return bytes.subarray(0, offset);
}

/**
 * A `uuid[]` of UUIDs in their usual form, with hyphens.
 *
 * @throws QuartetError `invalid_argument` for anything else.
 */
export function encodeUuidArray(values: readonly string[]): Buffer {
  const bytes = Buffer.allocUnsafe(headerBytes + values.length * 20);
  writeHeader(bytes, 2950, values.length, 0);
  let offset = headerBytes;
  for (const value of values) {
    bytes.writeInt32BE(16, offset);
    const written = bytes.write(value.replaceAll("-", ""), offset + 4, "hex");
    if (written !== 16) throw new QuartetError("invalid_argument", `"${value}" is no UUID.`);
    offset += 20;
  }
  return bytes;
}

/** A `timestamptz[]`. Null where a value is undefined. */
export function encodeTimeArray(values: readonly (Date | undefined)[]): Buffer {
  const bytes = Buffer.allocUnsafe(headerBytes + values.length * 12);
  let offset = headerBytes;
  let nulls = 0;
  for (const value of values) {
    if (value === undefined) {
      offset = bytes.writeInt32BE(-1, offset);
      nulls = 1;
      continue;
    }
    offset = bytes.writeInt32BE(8, offset);
    // 64 bits, two's complement: microseconds since 2000.
    const micros = (value.getTime() - postgresEpochMs) * 1_000;
    const high = Math.floor(micros / 2 ** 32);
    offset = bytes.writeInt32BE(high, offset);
    offset = bytes.writeUInt32BE(micros - high * 2 ** 32, offset);
  }
  writeHeader(bytes, 1184, values.length, nulls);
  return bytes.subarray(0, offset);
}

/** One dimension that begins at 1. An empty array has none. */
function writeHeader(bytes: Buffer, elementType: number, length: number, nulls: number): void {
  bytes.writeInt32BE(1, 0);
  bytes.writeInt32BE(nulls, 4);
  bytes.writeInt32BE(elementType, 8);
  bytes.writeInt32BE(length, 12);
  bytes.writeInt32BE(1, 16);
}
