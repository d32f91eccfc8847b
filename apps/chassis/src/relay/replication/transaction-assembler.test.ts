import fc from "fast-check";
import { expect, test } from "vitest";
import { begin, commit, everyMessage, insert, relation } from "./pgoutput-fixtures.ts";
import { type PartLimits, TransactionAssembler } from "./transaction-assembler.ts";

const generous: PartLimits = { maxRows: 1_000, maxBytes: 1_000_000 };

function assemble(messages: readonly Buffer[], limits = generous) {
  const warnings: string[] = [];
  const assembler = new TransactionAssembler(limits, (message) => warnings.push(message));
  const parts = messages.map((message) => assembler.add(message, 0)).filter((part) => part !== undefined);
  return { parts, warnings };
}

const outbox = relation(5, "quartet", "outbox", "id", "payload");

test("rows are named by the table as it was last described", () => {
  const wider = relation(5, "quartet", "outbox", "id", "payload", "extra");
  const { parts } = assemble([
    ...[begin(1n), outbox, insert(5, "a", null), commit(1n, 9n)],
    ...[begin(10n), wider, insert(5, "b", "{}", "x"), insert(5, "c", "{}", null), commit(10n, 19n)],
  ]);
  expect(parts.map(({ rows }) => rows.map(({ values }) => values))).toEqual([
    [{ id: "a", payload: null }],
    [
      { id: "b", payload: "{}", extra: "x" },
      { id: "c", payload: "{}", extra: null },
    ],
  ]);
  expect(parts.map(({ commitEndLsn }) => commitEndLsn)).toEqual([9n, 19n]);
});

test("everything but an insert leaves a transaction empty, with one warning per table and kind", () => {
  const { begin: _begin, commit: _commit, ...others } = everyMessage;
  const second = relation(6, "quartet", "other", "id");
  const messages = Object.values(others);
  const { parts, warnings } = assemble([
    ...[begin(1n), outbox, second, ...messages, ...messages, commit(1n, 2n)],
  ]);
  expect(parts.map(({ firstRow, rows }) => ({ firstRow, rows }))).toEqual([{ firstRow: 0, rows: [] }]);
  expect(warnings.map((warning) => /Ignored \w+ on [\w.]+/.exec(warning)?.[0])).toEqual([
    "Ignored update on quartet.outbox",
    "Ignored delete on quartet.outbox",
    "Ignored truncate on quartet.outbox",
    "Ignored truncate on quartet.other",
  ]);
});

const transaction = (commitLsn: bigint, sizes: readonly number[]) => [
  begin(commitLsn),
  ...sizes.map((size, row) => insert(5, `${commitLsn}/${row}`, "x".repeat(size))),
  commit(commitLsn, commitLsn + 10n),
];

test("a transaction is cut at either limit; cut exactly at its end, the last part brings just the end", () => {
  const rows = (part: { firstRow: number; rows: readonly unknown[] }) => [part.firstRow, part.rows.length];
  const byRows = assemble([outbox, ...transaction(20n, [1, 1, 1, 1])], { ...generous, maxRows: 2 });
  expect(byRows.parts.map(rows)).toEqual([
    [0, 2],
    [2, 2],
    [4, 0],
  ]);
  expect(byRows.parts.map(({ commitEndLsn }) => commitEndLsn)).toEqual([undefined, undefined, 30n]);
  const byBytes = assemble([outbox, ...transaction(20n, [1, 500, 1, 1])], { ...generous, maxBytes: 400 });
  expect(byBytes.parts.map(rows)).toEqual([
    [0, 2],
    [2, 2],
  ]);
});

test("whatever the transactions and the limits, the parts together are the transactions", () => {
  const sizes = fc.array(fc.array(fc.nat(200), { maxLength: 30 }), { maxLength: 10 });
  const limits = fc.record({
    maxRows: fc.integer({ min: 1, max: 12 }),
    maxBytes: fc.integer({ min: 1, max: 1_000 }),
  });
  fc.assert(
    fc.property(sizes, limits, (transactions, limit) => {
      const commits = transactions.map((_, index) => BigInt(index + 1) * 100n);
      const { parts } = assemble(
        [outbox, ...transactions.flatMap((rows, index) => transaction(commits[index] ?? 0n, rows))],
        limit,
      );
      let at = 0;
      for (const [index, rows] of transactions.entries()) {
        const ids: string[] = [];
        for (let ended = false; !ended; at++) {
          const part = parts[at];
          expect(part).toMatchObject({ commitLsn: commits[index], firstRow: ids.length });
          ids.push(...(part?.rows ?? []).map(({ values }) => values["id"] ?? ""));
          expect(part?.rows.length).toBeLessThanOrEqual(limit.maxRows);
          ended = part?.commitEndLsn !== undefined;
          if (!ended) expect(part?.rows.length).toBeGreaterThan(0);
        }
        expect(ids).toEqual(rows.map((_, row) => `${commits[index]}/${row}`));
      }
      expect(at).toBe(parts.length);
    }),
  );
});

test.each([
  ["a row outside a transaction", [outbox, insert(5, "a", null)]],
  ["a commit without a begin", [commit(1n, 2n)]],
  ["a commit of another transaction than has begun", [begin(1n), commit(2n, 3n)]],
  ["a begin inside a transaction", [begin(1n), begin(2n)]],
  ["a row of a table that was not described", [begin(1n), insert(5, "a", null)]],
  ["a row with too few columns", [begin(1n), outbox, insert(5, "a")]],
])("refuses %s", (_, messages) => {
  expect(() => assemble(messages)).toThrow(expect.objectContaining({ code: "internal" }));
});
