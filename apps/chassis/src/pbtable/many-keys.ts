import { quoteIdentifier } from "../schema/identifier.ts";
import type { Table } from "../schema/table/table.ts";

/** What is read of the rows under many keys. */
export interface ManyKeys {
  /** Of the row, called `t`: each with its name. */
  readonly columns: string;
  /** Which of the rows. Left away: all. */
  readonly where?: string;
  /** How each row is locked, in the order of the keys. */
  readonly lock?: string;
}

/**
 * A statement that takes one array per key column, and gives the columns of the rows that there are, with the place of
 * each among the keys, from 1.
 *
 * It goes from key to key, each by the primary key. Of `= any` or a join the server may keep a plan that reads the whole
 * table, which was the best one while the table was small; where it has grown since, each read then takes as long as it has
 * rows, until it is analyzed.
 */
export function manyKeysSql(table: Table, { columns, where = "", lock = "" }: ManyKeys): string {
  const arrays = table.key.map(({ sqlType }, index) => `$${index + 1}::${sqlType}[]`).join(", ");
  const parts = table.key.map((_, index) => `k${index}`).join(", ");
  const match = table.key.map(({ name }, index) => `t.${quoteIdentifier(name)} = k.k${index}`).join(" and ");
  const keys = `unnest(${arrays}) with ordinality as k(${parts}, place)`;
  const from = lock === "" ? keys : `(select * from ${keys} order by ${parts}) as k`;
  const filter = where === "" ? match : `${match} and ${where}`;
  return (
    `select k.place::int as place, found.* from ${from} cross join lateral ` +
    `(select ${columns} from ${table.sqlName} t where ${filter} limit 1${lock}) as found`
  );
}
