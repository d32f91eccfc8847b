import { quoteIdentifier } from "../../schema/identifier.ts";
import type { Bindings } from "./bindings.ts";
import type { OrderPart } from "./order-by.ts";
import type { PageEnd } from "./page-token.ts";

/**
 * SQL conditions of the rows after `end` in an order. The conditions exclude one another, so that each can be one range
 * of an index: an OR of them could be none.
 *
 * Postgres sorts NULL as the largest value in either direction of an index, and so does the order. Columns of one
 * direction are compared as a row; a NULL in a row comparison makes it NULL, so what is after `end` by being NULL has a
 * condition of its own.
 */
export function conditionsAfter(order: readonly OrderPart[], end: PageEnd, bindings: Bindings): string[] {
  const conditions: string[] = [];
  const bound = order.map(({ column, descending }, index) => {
    const value = end[index] ?? null;
    const name = quoteIdentifier(column.name);
    const parameter = value === null ? "null" : bindings.bind(value, column.sqlType);
    const equal = value === null ? `${name} is null` : `${name} = ${parameter}`;
    return { name, parameter, equal, descending, isNull: value === null, nullable: column.nullable };
  });
  const equalBefore = (count: number) => bound.slice(0, count).map(({ equal }) => equal);
  const add = (from: number, condition: string) =>
    conditions.push([...equalBefore(from), condition].join(" and "));
  for (let from = 0; from < bound.length; ) {
    const first = bound[from];
    if (first === undefined) break;
    if (first.isNull) {
      if (first.descending) add(from, `${first.name} is not null`);
      from++;
      continue;
    }
    const run = bound.slice(from);
    const length = run.findIndex((part) => part.isNull || part.descending !== first.descending);
    const compared = length < 0 ? run : run.slice(0, length);
    const names = compared.map(({ name }) => name).join(", ");
    const values = compared.map(({ parameter }) => parameter).join(", ");
    add(from, `(${names}) ${first.descending ? "<" : ">"} (${values})`);
    for (const [offset, { name, nullable, descending }] of compared.entries()) {
      if (nullable && !descending) add(from + offset, `${name} is null`);
    }
    from += compared.length;
  }
  return conditions;
}
