import { QuartetError } from "../../error/quartet-error.ts";

/**
 * A position in the write-ahead log: 64 bits, `(hi << 32) | lo`. Numbers order as positions do; their text does not
 * (`0/FFFFFF00` sorts after `1/28`), so text is for people and for SQL parameters only.
 */
export type Lsn = bigint & { readonly __brand: "Lsn" };

/** The position before every other one; to the server it means "nothing to report". */
export const zeroLsn = toLsn(0n);

/** Brands a number that is known to be a WAL position, such as one read from the wire. */
export function toLsn(position: bigint): Lsn {
  return position as Lsn; // the brand exists in types only
}

/** Reads Postgres's text form, `hi/lo` in hexadecimal. Throws `invalid_argument` for anything else. */
export function parseLsn(text: string): Lsn {
  const match = /^([0-9a-f]{1,8})\/([0-9a-f]{1,8})$/i.exec(text);
  if (!match) {
    throw new QuartetError("invalid_argument", `"${text}" is not a WAL position.`, {
      fix: "Use Postgres's form, such as 16/B374D848.",
    });
  }
  return toLsn((BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`));
}

/** Postgres's text form, as `pg_lsn` prints it: upper case, no leading zeros. */
export function formatLsn(lsn: Lsn): string {
  return `${(lsn >> 32n).toString(16)}/${(lsn & 0xffffffffn).toString(16)}`.toUpperCase();
}
