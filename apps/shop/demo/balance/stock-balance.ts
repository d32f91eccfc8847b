import type { Ledger } from "../trade/ledger.ts";
import type { Books, StockRow } from "./books.ts";
import { type Check, checkEach } from "./check.ts";

/** Nothing on the shelf appears or vanishes. */
export function balanceStock(books: Books, ledger: Ledger): readonly Check[] {
  const sold = sumBySku(books.orders.filter((order) => order.status !== "CANCELLED"));
  const delivered = sumBySku(
    ledger.adjustments
      .filter((adjustment) => adjustment.fate === "done")
      .map(({ sku, delta }) => ({ sku, quantity: delta })),
  );
  const compare = (name: string, row: StockRow, actual: number, expected: number) =>
    actual === expected ? undefined : `${row.sku}: ${name} ${actual}, should be ${expected}`;
  return [
    checkEach("skus with received = available + sold", books.stock, (row) =>
      compare("available + sold", row, row.available + row.sold, row.received),
    ),
    checkEach("skus with sold = items of orders that stand", books.stock, (row) =>
      compare("sold", row, row.sold, sold.get(row.sku) ?? 0),
    ),
    checkEach("skus with received = acknowledged adjustments", books.stock, (row) =>
      compare("received", row, row.received, delivered.get(row.sku) ?? 0),
    ),
  ];
}

function sumBySku(rows: readonly { readonly sku: string; readonly quantity: number }[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { sku, quantity } of rows) sums.set(sku, (sums.get(sku) ?? 0) + quantity);
  return sums;
}
