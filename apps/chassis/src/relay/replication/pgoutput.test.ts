import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { QuartetError } from "../../error/quartet-error.ts";
import { decodePgoutput } from "./pgoutput.ts";
import { everyMessage, int16, int32, tag } from "./pgoutput-fixtures.ts";
import { readFrame } from "./replication-frame.ts";

function bytesOf(name: string): Buffer {
  const bytes = everyMessage[name];
  if (!bytes) throw new Error(name);
  return bytes;
}

const decoded: Record<string, unknown> = {
  begin: { kind: "begin", commitLsn: 0x1_0000_0001n, commitTime: new Date("2000-01-01T00:00:00Z"), xid: 7 },
  commit: { kind: "commit", commitLsn: 0x10n, commitEndLsn: 0x40n },
  relation: {
    kind: "relation",
    relationId: 5,
    schema: "quartet",
    table: "outbox",
    columns: ["id", "payload"],
  },
  update: { kind: "update", relationId: 5, old: null, tuple: ["a", undefined] },
  updateWithKey: { kind: "update", relationId: 5, old: ["a", null], tuple: ["b", ""] },
  delete: { kind: "delete", relationId: 5, old: ["a", "b"] },
  truncate: { kind: "truncate", relationIds: [5, 6] },
  message: { kind: "message", transactional: true, lsn: 9n, prefix: "beat", content: Buffer.from([1, 2, 3]) },
  type: { kind: "type", typeId: 99, schema: "quartet", name: "mood" },
  origin: { kind: "origin", lsn: 3n, name: "elsewhere" },
};

describe.each(Object.keys(everyMessage))("%s", (name) => {
  test("is decoded, also behind an offset", () => {
    expect(decodePgoutput(bytesOf(name))).toEqual(decoded[name]);
    expect(decodePgoutput(Buffer.concat([Buffer.alloc(25), bytesOf(name)]), 25)).toEqual(decoded[name]);
  });

  test("is refused when cut short anywhere, or too long", () => {
    const bytes = bytesOf(name);
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodePgoutput(bytes.subarray(0, length))).toThrow(QuartetError);
    }
    expect(() => decodePgoutput(Buffer.concat([bytes, Buffer.alloc(1)]))).toThrow(/1 bytes too many/);
  });
});

test("keeps no reference to the buffer it was given", () => {
  const bytes = Buffer.from(bytesOf("message"));
  const message = decodePgoutput(bytes);
  bytes.fill(0);
  expect(message).toEqual(decoded["message"]);
});

test("refuses the binary format, which is never asked for", () => {
  const binary = Buffer.concat([
    tag("U"),
    int32(5),
    tag("N"),
    int16(1),
    tag("b"),
    int32(1),
    Buffer.from([1]),
  ]);
  expect(() => decodePgoutput(binary)).toThrow(/unknown column format 0x62, at byte 9 of 14/);
});

test("random bytes are decoded or refused, nothing else", () => {
  const head = fc.constantFrom(..."BCRIUDTMYOXwk").map((letter) => letter.charCodeAt(0));
  fc.assert(
    fc.property(head, fc.uint8Array({ maxLength: 200 }), (first, rest) => {
      for (const read of [decodePgoutput, readFrame]) {
        try {
          read(Buffer.from([first, ...rest]));
        } catch (error) {
          expect(error).toBeInstanceOf(QuartetError);
        }
      }
    }),
    { numRuns: 2_000 },
  );
});

test("a keepalive tells its WAL end and whether it wants an answer", () => {
  const keepalive = Buffer.from("6b000000010000000200000000000000000 1".replace(" ", ""), "hex");
  expect(readFrame(keepalive)).toEqual({ kind: "keepalive", walEnd: 0x1_0000_0002n, replyRequested: true });
});
