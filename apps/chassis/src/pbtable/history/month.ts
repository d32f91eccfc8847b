import { quoteBody } from "../../schema/identifier.ts";

/** One calendar month (UTC) of a table that is partitioned by time. */
export interface Month {
  /** `2026_01`: what the partition's name ends with. */
  readonly suffix: string;
  readonly from: Date;
  /** The first instant that is no longer in it. */
  readonly to: Date;
}

/** Last month (late clocks) to a year ahead: `apply` runs with every deployment. */
export function monthsAround(now: Date): readonly Month[] {
  return Array.from({ length: 14 }, (_, index) => {
    const from = startOfMonth(now, index - 1);
    return {
      suffix: from.toISOString().slice(0, 7).replace("-", "_"),
      from,
      to: startOfMonth(now, index),
    };
  });
}

/** The first instant of the month that a time is in, or of one so many months later. */
export function startOfMonth(time: Date, later = 0): Date {
  return new Date(Date.UTC(time.getUTCFullYear(), time.getUTCMonth() + later, 1));
}

/**
 * Creates a month's partition unless it is there.
 *
 * @param parent, partition quoted
 * @param bounds SQL literals of the first value and of the first one after the last
 */
export function createMonthSql(parent: string, partition: string, bounds: readonly [string, string]): string {
  const [from, to] = bounds;
  const create = `create table if not exists ${partition} partition of ${parent} for values from (${from}) to (${to})`;
  // A month that came before its partition has its rows in the default one already, and stays there.
  return `do ${quoteBody(`begin ${create}; exception when check_violation then null; end`)}`;
}
