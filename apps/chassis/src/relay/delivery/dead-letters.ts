import type { Pool } from "pg";
import { QuartetError } from "../../error/quartet-error.ts";
import { type DeadLetter, DeadLetterSchema } from "../../gen/quartet/v1/subscription_pb.ts";
import type { Filter } from "../../pbtable/list/filter.ts";
import type { Page } from "../../pbtable/list/list-rows.ts";
import { TableReader } from "../../pbtable/table-reader.ts";
import { systemRegistry } from "../../schema/system-registry.ts";
import { tableOf } from "../../schema/table/table.ts";
import type { SqlClient } from "../../sql/sql-client.ts";

/** Which dead letters: all that every given member holds for. */
export interface DeadLetterFilter {
  readonly subscription?: string | undefined;
  readonly eventType?: string | undefined;
  readonly eventKey?: string | undefined;
  /** They died then or later. */
  readonly deadAfter?: Date | undefined;
  /** They died before. */
  readonly deadBefore?: Date | undefined;
  /** Of the last answer; 0: there was none. */
  readonly lastStatus?: number | undefined;
}

/** Some dead letters: those named, or those that a filter takes. */
export type DeadLetterSelection =
  | { readonly ids: readonly string[]; readonly filter?: undefined }
  | { readonly ids?: undefined; readonly filter: DeadLetterFilter };

const table = tableOf(DeadLetterSchema);
const discardedAtOnce = 500;

export function letterReader(client: SqlClient): TableReader<typeof DeadLetterSchema> {
  return new TableReader<typeof DeadLetterSchema>(table, client, systemRegistry);
}

/**
 * A page of dead letters, the newest first.
 *
 * @throws QuartetError `invalid_argument` for a page that is none.
 */
export function listDeadLetters(
  client: SqlClient,
  filter: DeadLetterFilter,
  page: { readonly pageSize?: number; readonly pageToken?: string },
): Promise<Page<typeof DeadLetterSchema>> {
  return letterReader(client).list({
    where: conditionsOf(filter),
    orderBy: "deadTime desc",
    ...page,
  });
}

/** @throws QuartetError `not_found`. */
export async function readDeadLetter(client: SqlClient, id: string): Promise<DeadLetter> {
  const letter = await letterReader(client).get(id);
  if (letter === undefined) throw noLetter(id);
  return letter;
}

/**
 * Removes dead letters for good, a page at a time.
 *
 * @param limit at most so many
 * @returns how many there were
 * @throws QuartetError `invalid_argument` for a filter that takes all; `not_found` for an id that there is not.
 */
export async function discardDeadLetters(
  pool: Pool,
  selection: DeadLetterSelection,
  { limit, signal }: { readonly limit: number; readonly signal?: AbortSignal },
): Promise<number> {
  refuseEmpty(selection.filter);
  let discarded = 0;
  for await (const letters of selectLetters(pool, selection, discardedAtOnce)) {
    const ids = letters.slice(0, limit - discarded).map(({ deadLetterId }) => deadLetterId);
    const result = await pool.query({
      name: "discard dead letters",
      text: `delete from ${table.sqlName} where dead_letter_id = any($1::text[])`,
      values: [ids],
    });
    discarded += result.rowCount ?? 0;
    if (discarded >= limit || signal?.aborted) break;
  }
  return discarded;
}

/**
 * The letters of a selection as they are when it is asked for, in the order of their events, some at a time. Those that
 * come later are left out, also those of events that are given back and die again.
 *
 * @throws QuartetError `not_found` for an id that there is not.
 */
export async function* selectLetters(
  client: SqlClient,
  selection: DeadLetterSelection,
  atOnce: number,
): AsyncGenerator<readonly DeadLetter[], void, undefined> {
  const reader = letterReader(client);
  if (selection.ids !== undefined) {
    const letters = await readNamed(reader, selection.ids);
    for (let from = 0; from < letters.length; from += atOnce) yield letters.slice(from, from + atOnce);
    return;
  }
  const where = conditionsOf({ deadBefore: new Date(), ...selection.filter });
  let pageToken = "";
  do {
    const page = await reader.list({ where, orderBy: "sequence", pageSize: atOnce, pageToken });
    if (page.messages.length > 0) yield page.messages;
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
}

async function readNamed(
  reader: TableReader<typeof DeadLetterSchema>,
  ids: readonly string[],
): Promise<readonly DeadLetter[]> {
  const letters = await reader.getMany(ids);
  const found = new Set(letters.map(({ deadLetterId }) => deadLetterId));
  const missing = ids.find((id) => !found.has(id));
  if (missing !== undefined) throw noLetter(missing);
  return letters.toSorted((one, other) => (one.sequence < other.sequence ? -1 : 1));
}

function conditionsOf(filter: DeadLetterFilter): Filter<typeof DeadLetterSchema> {
  const { subscription, eventType, eventKey, deadAfter, deadBefore, lastStatus } = filter;
  const deadTime = {
    ...(deadAfter === undefined ? {} : { gte: deadAfter }),
    ...(deadBefore === undefined ? {} : { lt: deadBefore }),
  };
  return {
    ...(subscription === undefined ? {} : { subscription }),
    ...(eventType === undefined ? {} : { eventType }),
    ...(eventKey === undefined ? {} : { eventKey }),
    ...(Object.keys(deadTime).length === 0 ? {} : { deadTime }),
    ...(lastStatus === undefined ? {} : { lastStatus }),
  };
}

function refuseEmpty(filter: DeadLetterFilter | undefined): void {
  if (filter === undefined || Object.values(filter).some((value) => value !== undefined)) return;
  throw new QuartetError("invalid_argument", "This would discard every dead letter there is.", {
    field: "filter",
    fix: "Say which: by subscription, type, key, time, status, or their ids.",
  });
}

function noLetter(id: string): QuartetError {
  return new QuartetError("not_found", `There is no dead letter ${id}.`, {
    field: "dead_letter_id",
    fix: "quartet dead-letters list shows all there are. It may have been redriven or discarded.",
  });
}
