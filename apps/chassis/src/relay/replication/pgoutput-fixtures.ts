/** Builders for pgoutput messages, for tests: the format as the Postgres manual writes it down, byte by byte. */

export const byte = (value: number) => Buffer.from([value]);
export const tag = (letter: string) => Buffer.from(letter, "latin1");
export const cstring = (text: string) => Buffer.from(`${text}\0`);

export function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function int64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(value);
  return bytes;
}

/** A tuple; `undefined` is an unchanged TOASTed value. */
export function tuple(...values: (string | null | undefined)[]): Buffer {
  const columns = values.map((value) => {
    if (value === null) return tag("n");
    if (value === undefined) return tag("u");
    const text = Buffer.from(value);
    return Buffer.concat([tag("t"), int32(text.length), text]);
  });
  return Buffer.concat([int16(values.length), ...columns]);
}

export const begin = (lsn: bigint) => Buffer.concat([tag("B"), int64(lsn), int64(0n), int32(7)]);

export const commit = (lsn: bigint, end: bigint, micros = 0n) =>
  Buffer.concat([tag("C"), byte(0), int64(lsn), int64(end), int64(micros)]);

export const relation = (id: number, schema: string, table: string, ...columns: string[]) =>
  Buffer.concat([
    tag("R"),
    int32(id),
    cstring(schema),
    cstring(table),
    tag("d"),
    int16(columns.length),
    ...columns.flatMap((name) => [byte(0), cstring(name), int32(25), int32(0xffffffff)]),
  ]);

export const insert = (id: number, ...values: (string | null)[]) =>
  Buffer.concat([tag("I"), int32(id), tag("N"), tuple(...values)]);

/** One of each kind, but of inserts. */
export const everyMessage: Readonly<Record<string, Buffer>> = {
  begin: begin(0x1_0000_0001n),
  commit: commit(0x10n, 0x40n, 1_000_000n),
  relation: relation(5, "quartet", "outbox", "id", "payload"),
  update: Buffer.concat([tag("U"), int32(5), tag("N"), tuple("a", undefined)]),
  updateWithKey: Buffer.concat([tag("U"), int32(5), tag("K"), tuple("a", null), tag("N"), tuple("b", "")]),
  delete: Buffer.concat([tag("D"), int32(5), tag("O"), tuple("a", "b")]),
  truncate: Buffer.concat([tag("T"), int32(2), byte(1), int32(5), int32(6)]),
  message: Buffer.concat([tag("M"), byte(1), int64(9n), cstring("beat"), int32(3), Buffer.from([1, 2, 3])]),
  type: Buffer.concat([tag("Y"), int32(99), cstring("quartet"), cstring("mood")]),
  origin: Buffer.concat([tag("O"), int64(3n), cstring("elsewhere")]),
};
