import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Position, parseWalLocation } from "./position.ts";
import { judgePosition, parseTimelineHistory } from "./timelines.ts";

const systemId = "7012345678901234567";
const at = (timeline: number, lsn: bigint): Position => ({ systemId, timeline, lsn });
/** Timeline 1 was left at 100, 2 at 200. */
const left = new Map([
  [1, 100n],
  [2, 200n],
]);

describe("judgePosition", () => {
  test.each([
    ["on the same timeline, replayed", at(3, 250n), at(3, 250n), "reached"],
    ["on the same timeline, not replayed yet", at(3, 251n), at(3, 250n), "behind"],
    ["of before the switch", at(1, 100n), at(3, 250n), "reached"],
    ["past the switch, which was lost", at(1, 101n), at(3, 250n), "never"],
    ["of before the switch, on a server that is not there yet", at(2, 200n), at(3, 150n), "behind"],
    ["of a newer timeline, wherever the server is", at(4, 10n), at(3, 250n), "behind"],
    ["of a timeline that the history does not have", at(2, 10n), at(4, 250n), "never"],
    ["of another system", { ...at(3, 1n), systemId: "1" }, at(3, 250n), "never"],
  ] as const)("a position %s", (_, position, server, standing) => {
    const history = server.timeline === 4 ? new Map([[1, 100n]]) : left;
    expect(judgePosition(position, server, history)).toBe(standing);
  });

  test("what is reached stays reached as the server goes on, over promotions too; what is never stays so", () => {
    const small = fc.bigInt({ min: 0n, max: 300n });
    const steps = fc.array(fc.record({ promote: fc.boolean(), by: small }), { maxLength: 12 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), small, steps, (timeline, lsn, way) => {
        const position = at(timeline, lsn);
        let server = at(1, 0n);
        const history = new Map<number, bigint>();
        let before = judgePosition(position, server, history);
        for (const { promote, by } of way) {
          server = at(server.timeline, server.lsn + by);
          if (promote) {
            history.set(server.timeline, server.lsn);
            server = at(server.timeline + 1, server.lsn);
          }
          const now = judgePosition(position, server, history);
          if (before !== "behind") expect(now).toBe(before);
          before = now;
        }
      }),
    );
  });
});

test("a history file has a line for each ancestor, among comments", () => {
  const text =
    "# made by hand\n1\t0/3000158\tno recovery target specified\n\n2\t1/A0\tbefore 2026-11-21 10:00:00+00\n";
  expect(parseTimelineHistory(text)).toEqual(
    new Map([
      [1, parseWalLocation("0/3000158")],
      [2, parseWalLocation("1/A0")],
    ]),
  );
});
