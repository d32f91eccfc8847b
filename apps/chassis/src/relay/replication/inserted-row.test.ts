import fc from "fast-check";
import { expect, test } from "vitest";
import { QuartetError } from "../../error/quartet-error.ts";
import { readInsertedRow, readInsertRelationId } from "./inserted-row.ts";
import { insert, int16, int32, tag } from "./pgoutput-fixtures.ts";

const relation = { name: "quartet.outbox", columns: ["id", "type", "payload"] };

const read = (bytes: Buffer, offset = 0) => readInsertedRow(bytes, offset, relation);

test("reads any row, also behind an offset", () => {
  const value = fc.option(fc.string({ unit: "binary" }), { nil: null });
  fc.assert(
    fc.property(value, value, value, fc.nat(40), (id, type, payload, offset) => {
      const bytes = Buffer.concat([Buffer.alloc(offset), insert(5, id, type, payload)]);
      expect(readInsertRelationId(bytes, offset)).toBe(5);
      expect(read(bytes, offset)).toEqual({ relation: "quartet.outbox", values: { id, type, payload } });
    }),
  );
});

test("keeps no reference to the buffer it was given", () => {
  const bytes = insert(5, "ü€", "", null);
  const row = read(bytes);
  bytes.fill(0);
  expect(row.values).toEqual({ id: "ü€", type: "", payload: null });
});

test("refuses a message that is cut short anywhere, or too long", () => {
  const bytes = insert(5, "ü€", null, "{}");
  for (let length = 0; length < bytes.length; length++) {
    const cut = bytes.subarray(0, length);
    expect(() => readInsertRelationId(cut, 0) + Object.keys(read(cut)).length).toThrow(QuartetError);
  }
  expect(() => read(Buffer.concat([bytes, Buffer.alloc(1)]))).toThrow(/1 bytes too many, at byte 26 of 27/);
});

test("refuses a length beyond the message, a value that is missing, and the binary format", () => {
  const row = (...columns: Buffer[]) => Buffer.concat([tag("I"), int32(5), tag("N"), int16(3), ...columns]);
  const nothing = tag("n");
  expect(() => read(row(nothing, nothing, tag("t"), int32(0xffffffff)))).toThrow(/cut short/);
  expect(() => read(row(nothing, tag("u"), nothing))).toThrow(/no value for quartet.outbox.type, at byte 9/);
  expect(() => read(row(tag("b"), int32(0), nothing, nothing))).toThrow(/no value for quartet.outbox.id/);
  expect(() => read(insert(5, "a", "b"))).toThrow(/not the columns of quartet.outbox/);
});

test("random bytes are read or refused, nothing else", () => {
  const nearly = fc.uint8Array({ maxLength: 60 });
  fc.assert(
    fc.property(nearly, fc.boolean(), (rest, headed) => {
      const head = headed ? [0x49, 0, 0, 0, 5, 0x4e, 0, 3] : [0x49];
      const bytes = Buffer.from([...head, ...rest]);
      try {
        readInsertRelationId(bytes, 0);
        read(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(QuartetError);
      }
    }),
    { numRuns: 2_000 },
  );
});
