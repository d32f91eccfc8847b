import { QuartetError } from "../../error/quartet-error.ts";
import { type Lsn, toLsn } from "./lsn.ts";

/** Microseconds between 1970-01-01 and 2000-01-01, where Postgres's clock starts. */
const postgresEpochMicros = 946_684_800_000_000;

/**
 * A cursor over one protocol message. Every read is checked against the end of the message and fails with an
 * `internal` error that names the offset; none reads beyond it. Texts are copied, because `pg` reuses its buffer.
 */
export class ByteReader {
  readonly #bytes: Buffer;
  #offset: number;

  constructor(bytes: Buffer, offset = 0) {
    this.#bytes = bytes;
    this.#offset = offset;
  }

  get offset(): number {
    return this.#offset;
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  skip(byteLength: number): void {
    this.#take(byteLength);
  }

  uint8(): number {
    return this.#bytes.readUInt8(this.#take(1));
  }

  uint16(): number {
    return this.#bytes.readUInt16BE(this.#take(2));
  }

  uint32(): number {
    return this.#bytes.readUInt32BE(this.#take(4));
  }

  lsn(): Lsn {
    return toLsn(this.#bytes.readBigUInt64BE(this.#take(8)));
  }

  /** A timestamp of the protocol, microseconds since 2000-01-01, cut to milliseconds. */
  time(): Date {
    const start = this.#take(8);
    const micros = this.#bytes.readInt32BE(start) * 2 ** 32 + this.#bytes.readUInt32BE(start + 4);
    return new Date((micros + postgresEpochMicros) / 1000);
  }

  /** Text of a known length in bytes, UTF-8. */
  text(byteLength: number): string {
    const start = this.#take(byteLength);
    return this.#bytes.toString("utf8", start, start + byteLength);
  }

  /** Text that ends with a zero byte, UTF-8. */
  cstring(): string {
    const end = this.#bytes.indexOf(0, this.#offset);
    if (end < 0) throw this.fault("a text has no end");
    const text = this.text(end - this.#offset);
    this.#offset = end + 1;
    return text;
  }

  /** A copy of the next bytes. */
  bytes(byteLength: number): Buffer {
    const start = this.#take(byteLength);
    return Buffer.from(this.#bytes.subarray(start, start + byteLength));
  }

  /** The error for a message that is not what the protocol promises. */
  fault(what: string): QuartetError {
    return new QuartetError(
      "internal",
      `Malformed replication message: ${what}, at byte ${this.#offset} of ${this.#bytes.length}.`,
    );
  }

  #take(byteLength: number): number {
    if (byteLength > this.remaining) throw this.fault(`${byteLength} more bytes expected`);
    const start = this.#offset;
    this.#offset = start + byteLength;
    return start;
  }
}

/** Now, in the protocol's microseconds since 2000-01-01. */
export function postgresNowMicros(): bigint {
  return BigInt(Date.now() * 1000 - postgresEpochMicros);
}
