import { createHash } from "node:crypto";
import { escapeLiteral, type PoolClient, type QueryResult } from "pg";
import { quoteIdentifier } from "../schema/identifier.ts";
import type { InboxKey } from "./inbox-event.ts";

type ClaimRow = Readonly<{ consumer: string; event_id: string }>;

/** Begins a transaction with the claims of events. Make one for each pool. */
export class ClaimStatement {
  readonly #name: string;
  readonly #text: string;
  /** Connections that have prepared it. */
  readonly #prepared = new WeakSet<PoolClient>();

  /** @param table SQL name of the inbox */
  constructor(table: string) {
    this.#name = `quartet_claim_${createHash("sha256").update(table).digest("hex").slice(0, 16)}`;
    // In order of their keys, whatever order they come in: two transactions that claim the same events wait for each
    // other at the first of them, and never crosswise.
    this.#text = `insert into ${table} (consumer, event_id)
select consumer, event_id from unnest($1::text[], $2::text[]) as given (consumer, event_id) order by 1, 2
on conflict do nothing returning consumer, event_id`;
  }

  /**
   * Begins a transaction and claims events in it, in one round trip: a tenth of the whole at ten events a transaction.
   * Several statements go in one text only without bound values; EXECUTE spares the planning that costs as much.
   *
   * @returns those that had no effect before, in their order; of one that is given twice, the first.
   */
  async begin<T extends { readonly inboxKey: InboxKey }>(
    client: PoolClient,
    events: readonly T[],
  ): Promise<readonly T[]> {
    const consumers = printArray(events.map(({ inboxKey }) => inboxKey.consumer));
    const ids = printArray(events.map(({ inboxKey }) => inboxKey.eventId));
    const { rows } = this.#prepared.has(client)
      ? await this.#execute(client, consumers, ids)
      : await this.#prepare(client, consumers, ids);
    if (rows.length === events.length) return events;
    const claimed = new Set(rows.map((row) => `${row.consumer}\0${row.event_id}`));
    return events.filter(({ inboxKey }) => claimed.delete(`${inboxKey.consumer}\0${inboxKey.eventId}`));
  }

  async #prepare(client: PoolClient, consumers: string, ids: string): Promise<QueryResult<ClaimRow>> {
    // Without a listener Node would exit when a connection in use is lost, whose query fails anyway.
    if (client.listenerCount("error") === 0) client.on("error", () => undefined);
    await client.query("begin");
    const result = await client.query<ClaimRow>({
      name: this.#name,
      text: this.#text,
      values: [consumers, ids],
    });
    this.#prepared.add(client);
    return result;
  }

  async #execute(client: PoolClient, consumers: string, ids: string): Promise<QueryResult<ClaimRow>> {
    const values = `${escapeLiteral(consumers)}, ${escapeLiteral(ids)}`;
    const results: unknown = await client.query(`begin; execute ${quoteIdentifier(this.#name)} (${values})`);
    // Of several statements pg gives an array, which its type leaves out.
    return (
      (results as readonly QueryResult<ClaimRow>[])[1] ?? Promise.reject(new Error("no result of EXECUTE"))
    );
  }
}

/** As the text of a `text[]`. */
function printArray(texts: readonly string[]): string {
  return `{${texts.map((text) => `"${text.replaceAll(/["\\]/g, "\\$&")}"`).join(",")}}`;
}
