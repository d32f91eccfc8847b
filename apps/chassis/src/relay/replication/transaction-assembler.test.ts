import { expect, test } from "vitest";
import { decodePgoutput } from "./pgoutput.ts";
import { begin, commit, everyMessage, insert, relation } from "./pgoutput-fixtures.ts";
import { TransactionAssembler } from "./transaction-assembler.ts";

function assemble(...messages: readonly Buffer[]) {
  const warnings: string[] = [];
  const assembler = new TransactionAssembler((message) => warnings.push(message));
  const transactions = messages.map((message) => assembler.add(decodePgoutput(message)));
  return { transactions: transactions.filter((transaction) => transaction !== undefined), warnings };
}

const outbox = relation(5, "quartet", "outbox", "id", "payload");

test("rows are named by the table as it was last described", () => {
  const wider = relation(5, "quartet", "outbox", "id", "payload", "extra");
  const { transactions } = assemble(
    ...[begin(1n), outbox, insert(5, "a", null), commit(1n, 9n)],
    ...[begin(10n), wider, insert(5, "b", "{}", "x"), insert(5, "c", "{}", null), commit(10n, 19n)],
  );
  expect(transactions.map(({ rows }) => rows.map(({ values }) => values))).toEqual([
    [{ id: "a", payload: null }],
    [
      { id: "b", payload: "{}", extra: "x" },
      { id: "c", payload: "{}", extra: null },
    ],
  ]);
  expect(transactions.map(({ commitEndLsn }) => commitEndLsn)).toEqual([9n, 19n]);
});

test("everything but an insert leaves a transaction empty, with one warning per table and kind", () => {
  const { begin: first, commit: last, insert: _, ...others } = everyMessage;
  const second = relation(6, "quartet", "other", "id");
  const messages = Object.values(others);
  const { transactions, warnings } = assemble(
    ...[first ?? begin(1n), outbox, second, ...messages, ...messages, last ?? commit(1n, 2n)],
  );
  expect(transactions.map(({ rows }) => rows)).toEqual([[]]);
  expect(warnings.map((warning) => /Ignored \w+ on [\w.]+/.exec(warning)?.[0])).toEqual([
    "Ignored update on quartet.outbox",
    "Ignored delete on quartet.outbox",
    "Ignored truncate on quartet.outbox",
    "Ignored truncate on quartet.other",
  ]);
});

test.each([
  ["a row outside a transaction", [outbox, insert(5, "a", null)]],
  ["a commit without a begin", [commit(1n, 2n)]],
  ["a begin inside a transaction", [begin(1n), begin(2n)]],
  ["a row of a table that was not described", [begin(1n), insert(5, "a", null)]],
  ["a row with too few columns", [begin(1n), outbox, insert(5, "a")]],
])("refuses %s", (_, messages) => {
  expect(() => assemble(...messages)).toThrow(expect.objectContaining({ code: "internal" }));
});
