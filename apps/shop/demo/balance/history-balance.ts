import type { Books, ChangedRow } from "./books.ts";
import { type Check, checkEach, checkEqual } from "./check.ts";

/** Every change was kept, published and reacted to, once; and the past is there to be read. */
export function balanceHistories(books: Books): readonly Check[] {
  return [
    checkEach("orders whose history has every version", books.histories, (row) =>
      compareChanges(row, "kept"),
    ),
    checkEqual("orders of the day before the first", 0, books.ordersBefore),
    checkEach("products whose every change was published", books.products, (row) =>
      compareChanges(row, "published"),
    ),
    // The day begins with one price each, and has no other.
    checkEach("products whose price was noted once", books.products, ({ id }) => {
      const noted = books.prices.get(id) ?? 0;
      return noted === 1 ? undefined : `${id}: ${noted} prices were noted`;
    }),
  ];
}

function compareChanges({ id, version, changes }: ChangedRow, what: string): string | undefined {
  return changes === version ? undefined : `${id} is at version ${version}, ${changes} changes were ${what}`;
}
