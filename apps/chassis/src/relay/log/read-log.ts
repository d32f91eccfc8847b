import { QuartetError } from "../../error/quartet-error.ts";
import type { SqlClient } from "../../sql/sql-client.ts";
import type { LogPage, LogQuery } from "./event-log.ts";
import type { LogEvent } from "./log-event.ts";
import { type LogRow, logColumns, toLogEvent } from "./log-row.ts";
import { defaultPageBytes } from "./log-tail.ts";

/** Rows that are looked at for one page: a page of a rare type costs no more. */
const maxScannedRows = 20_000;
const maxAttempts = 5;

/** A page from the table, and the head of the log when it was read. */
export interface TablePage extends LogPage {
  readonly head: bigint;
}

/** Sequences of one segment. */
interface Range {
  readonly segment: number;
  readonly after: bigint;
  readonly till: bigint;
}

/**
 * Reads a page of one segment. A reader whose next event retention has dropped goes on at the oldest that is kept.
 *
 * A segment that is dropped, or made, while its page is read shows no rows, which must not be taken for "nothing matches":
 * the last row of the page's range is looked up with it, and when it is missing all is read again.
 */
export async function readTable(client: SqlClient, query: LogQuery): Promise<TablePage> {
  for (let attempt = 1; attempt <= maxAttempts; attempt++) {
    const { head, range, passed } = await locateRange(client, query);
    if (range === undefined) return { head, events: [], scannedTo: passed };
    const page = await readRange(client, range, query);
    if (page !== undefined) return { ...page, head };
  }
  throw new QuartetError("unavailable", "The log's segments change too fast to be read.", {
    retryAfterSeconds: 1,
  });
}

interface LocatedRow {
  readonly head: bigint;
  readonly segment: number;
  readonly since: bigint;
  readonly till: bigint;
  /** Where a reader stands for whom nothing is there. */
  readonly passed: bigint;
}

async function locateRange(
  client: SqlClient,
  query: LogQuery,
): Promise<{ readonly head: bigint; readonly passed: bigint; readonly range: Range | undefined }> {
  const result = await client.query<LocatedRow>({
    name: "locate log range",
    text: locateSql,
    values: [query.after, query.upTo ?? null],
  });
  const [row] = result.rows;
  if (row === undefined)
    throw new QuartetError("failed_precondition", "The log has no head.", { fix: "quartet apply" });
  const { head, segment, since, till, passed } = row;
  return { head, passed, range: till > since ? { segment, after: since, till } : undefined };
}

/** The segment of the next event, or the oldest one, and as much of it as a page may look at. */
const locateSql = `select head.seq as head, segment.segment, since,
  least(head.seq, $2::bigint, next.first_seq - 1, since + ${maxScannedRows}) as till,
  greatest($1::bigint, least($2::bigint, since)) as passed
from quartet.event_log_head head
cross join lateral (
  select segment, greatest($1::bigint, first_seq - 1) as since from quartet.event_log_segment
  where first_seq <= greatest($1::bigint + 1, (select min(first_seq) from quartet.event_log_segment))
  order by first_seq desc limit 1
) segment
left join quartet.event_log_segment next on next.segment = segment.segment + 1`;

interface PageRow extends LogRow {
  /** How many rows matched, up to the limit. */
  readonly matched: number;
  readonly complete: boolean;
}

async function readRange(client: SqlClient, range: Range, query: LogQuery): Promise<LogPage | undefined> {
  const filtered = query.types.length > 0 || query.typePrefixes.length > 0;
  const result = await client.query<PageRow>({
    // Unnamed: planned with its values, it opens and locks the one segment. A page is worth the 0.15 ms of planning.
    text: filtered ? pageSql(filterSql) : pageSql(""),
    values: [
      range.segment,
      range.after,
      range.till,
      query.limit,
      query.maxBytes ?? defaultPageBytes,
      ...(filtered ? [query.types, query.typePrefixes] : []),
    ],
  });
  const [first] = result.rows;
  if (first?.complete !== true) return undefined;
  if (first.seq === null) return { events: [], scannedTo: range.till };
  const events = result.rows.map(toLogEvent);
  const more = first.matched === query.limit || events.length < first.matched;
  return { events, scannedTo: more ? (events.at(-1)?.seq ?? range.till) : range.till };
}

const filterSql =
  "and (type = any($6::text[]) or exists (select from unnest($7::text[]) prefix where starts_with(type, prefix)))";

/** Sizes are read without the payloads, which are fetched for the rows of the page alone. */
function pageSql(filter: string): string {
  return `select complete, page.* from (
  select exists (select from quartet.event_log where segment = $1::int and seq = $3::bigint) as complete
) as range left join (
  select ${logColumns}, matched from (
    select *, count(*) over ()::int as matched, sum(octet_length(payload)) over (order by seq) as bytes,
      row_number() over (order by seq) as place
    from (
      select * from quartet.event_log
      where segment = $1::int and seq > $2::bigint and seq <= $3::bigint ${filter}
      order by seq limit $4::int
    ) as matching
  ) as sized where bytes <= $5::bigint or place = 1
) as page on true order by seq`;
}

/** Events by sequence, in order; those that are not there are left out. */
export async function readTableEvents(
  client: SqlClient,
  seqs: readonly bigint[],
): Promise<readonly LogEvent[]> {
  if (seqs.length === 0) return [];
  const segments = await client.query<{ first: number | null; last: number | null }>({
    name: "locate log events",
    text: `select max(segment) filter (where first_seq <= wanted.lowest) as first,
  max(segment) filter (where first_seq <= wanted.highest) as last
from quartet.event_log_segment, (select min(seq) as lowest, max(seq) as highest from unnest($1::bigint[]) as seq) wanted`,
    values: [seqs],
  });
  const [found] = segments.rows;
  if (found?.last === null || found?.last === undefined) return [];
  const result = await client.query<LogRow>({
    text: `select ${logColumns} from quartet.event_log
where segment between $1 and $2 and seq = any($3::bigint[]) order by seq`,
    values: [found.first ?? 0, found.last, seqs],
  });
  return result.rows.map(toLogEvent);
}
