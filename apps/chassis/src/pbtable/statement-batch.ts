import { type ClientBase, Query, type QueryResult, type Submittable } from "pg";
import type { Statement } from "./sql-client.ts";

/**
 * Runs statements one after the other in one round trip, by one Sync of the extended protocol behind all of them
 * (PostgreSQL 18, "Extended Query", "Pipelining"): when one fails, the server skips those behind it. So none of them is
 * ever run without those before it.
 *
 * Without an explicit `begin` among them they are one transaction, and an explicit one spans what follows it.
 *
 * @param needed how many of them, from the first on, must succeed: what one behind them fails with is not thrown
 * @returns the results of those that succeeded, in order
 * @throws what the first one that failed failed with.
 */
export function runStatements(
  client: ClientBase,
  statements: readonly Statement[],
  needed: number = statements.length,
): Promise<readonly QueryResult[]> {
  const { promise, resolve, reject } = Promise.withResolvers<readonly QueryResult[]>();
  const batch = new StatementBatch(statements, (error) => {
    const results = batch.results();
    if (error === null || results.length >= needed) resolve(results);
    else reject(error);
  });
  client.query<Submittable>(batch as never); // it has what the client asks for, which its types do not say
  return promise.catch((error: Error) => {
    Error.captureStackTrace(error); // that of the socket tells nobody anything
    throw error;
  });
}

/** What pg's client asks of who submits to it, and what its connection offers them (pg 8, as pg-cursor uses it). */
interface Connection {
  readonly submittedNamedStatements: Record<string, string>;
  /** All that is sent goes through this. */
  _send(message: Buffer): unknown;
  sync(): void;
}

/** pg's own query, which knows how to prepare itself and to gather its rows. */
interface InnerQuery {
  readonly name: string | undefined;
  readonly text: string;
  readonly _result: QueryResult & { _types: unknown };
  readonly _canceledDueToError: Error | false;
  /** Called with what could not be sent. */
  callback: (error: Error | null) => void;
  prepare(connection: Connection): void;
  handleRowDescription(message: unknown): void;
  handleDataRow(message: unknown): void;
  handleCommandComplete(message: unknown, connection: Connection): void;
}

/** Several queries that pg's client takes for one. What the server sends belongs to the first that is not complete. */
class StatementBatch {
  /** The client replaces and calls it: with an error as soon as there is one, else when the server is ready again. */
  callback: (error: Error | null) => void;
  readonly #queries: readonly InnerQuery[];
  #complete = 0;
  /** Of the complete ones, those before the first that could not be read. */
  #read = 0;
  /** Of a value that could not be sent: its statement and those behind it were not. */
  #unsent: Error | null = null;
  /** Of a row that could not be read. */
  #unread: Error | null = null;

  constructor(statements: readonly Statement[], callback: (error: Error | null) => void) {
    this.callback = callback;
    this.#queries = statements.map((statement) => {
      const query = new Query({ ...statement }) as unknown as InnerQuery;
      query.callback = (error) => {
        this.#unsent = error;
      };
      return query;
    });
  }

  /** Of the statements that are complete, up to the first of which a row could not be read. */
  results(): readonly QueryResult[] {
    return this.#queries.slice(0, this.#read).map((query) => query._result);
  }

  /** Of the statement whose Parse is answered next: the client notes that the connection has it. */
  get name(): string | undefined {
    return this.#current?.name;
  }

  get text(): string | undefined {
    return this.#current?.text;
  }

  /** The client gives its parsers of values to whatever it finds here. */
  get _result(): { _types: unknown } {
    const queries = this.#queries;
    return {
      get _types() {
        return undefined;
      },
      set _types(types: unknown) {
        for (const query of queries) query._result._types = types;
      },
    };
  }

  submit(connection: Connection): null {
    // As one piece, which takes half the time of many; and with one Sync, for those that pg's query sends are left out.
    const messages: Buffer[] = [];
    const noted = { _send: { value: (message: Buffer) => messages.push(message) } };
    const ignored = { value: () => undefined };
    // A statement whose values cannot be sent is closed by pg, which goes on believing that the connection has it.
    const sender: Connection = Object.create(connection, { ...noted, sync: ignored, close: ignored });
    for (const query of this.#queries) {
      query.prepare(sender);
      if (this.#unsent !== null) break;
    }
    const closer: Connection = Object.create(connection, noted);
    closer.sync();
    connection._send(Buffer.concat(messages));
    return null;
  }

  handleRowDescription(message: unknown): void {
    this.#current?.handleRowDescription(message);
  }

  handleDataRow(message: unknown): void {
    this.#current?.handleDataRow(message);
  }

  handleCommandComplete(message: unknown, connection: Connection): void {
    const query = this.#current;
    query?.handleCommandComplete(message, connection);
    this.#unread ??= query?._canceledDueToError || null;
    this.#completeOne();
  }

  handleEmptyQuery(): void {
    this.#completeOne();
  }

  #completeOne(): void {
    this.#complete += 1;
    if (this.#unread === null) this.#read = this.#complete;
  }

  handleError(error: Error, connection: Connection): void {
    // The server has skipped the Parse of those behind: they are to be sent again.
    for (const { name } of this.#queries.slice(this.#complete)) {
      if (name !== undefined) delete connection.submittedNamedStatements[name];
    }
    this.callback(this.#unread ?? error);
  }

  handleReadyForQuery(): void {
    this.callback(this.#unread ?? this.#unsent);
  }

  get #current(): InnerQuery | undefined {
    return this.#queries[this.#complete];
  }
}
