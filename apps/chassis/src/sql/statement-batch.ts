import { type ClientBase, Query, type QueryResult, type Submittable } from "pg";
import { BatchSender, type Connection, hasOtherText, type InnerQuery, nameTaken } from "./batch-sender.ts";
import type { SharedStatement } from "./sql-client.ts";

/**
 * Runs statements one after the other in one round trip, by one Sync of the extended protocol behind all of them
 * (PostgreSQL 18, "Extended Query", "Pipelining"): when one fails, the server skips those behind it. So none of them is
 * ever run without those before it.
 *
 * Without an explicit `begin` among them they are one transaction, and an explicit one spans what follows it.
 *
 * A name stands for one text on a connection, as pg's own queries have it. With a needed statement whose name stands for another,
 * nothing is sent.
 *
 * @param needed how many of them, from the first on, must succeed: what one behind them fails with is not thrown
 * @returns the results of those that succeeded, in order
 * @throws what the first one that failed failed with, as its `explain` has it. QuartetError `internal` for a name that stands
 * for another text.
 */
export function runStatements(
  client: ClientBase,
  statements: readonly SharedStatement[],
  needed: number = statements.length,
): Promise<readonly QueryResult[]> {
  const { promise, resolve, reject } = Promise.withResolvers<readonly QueryResult[]>();
  const timeoutMs = (client as unknown as TimedClient).connectionParameters.query_timeout || 0;
  const batch = new StatementBatch(statements, needed, (error) => {
    const results = batch.results();
    // An error behind all of them is of their COMMIT, when they have none of their own.
    if (error === null || (needed < statements.length && results.length >= needed)) resolve(results);
    else reject(error);
  });
  // Each of them may take as long as one alone.
  batch.query_timeout = timeoutMs * statements.length;
  client.query<Submittable>(batch as never); // it has what the client asks for, which its types do not say
  return promise.catch((error: Error) => {
    Error.captureStackTrace(error); // that of the socket tells nobody anything
    throw statements[batch.failed]?.explain?.(error) ?? error;
  });
}

/** Where pg's client has how long an answer may take, in ms; 0 or false: as long as it wants. */
interface TimedClient {
  readonly connectionParameters: { readonly query_timeout: number | false };
}

/** Several queries that pg's client takes for one. What the server sends belongs to the first that is not complete. */
class StatementBatch {
  /** The client replaces and calls it: with an error as soon as there is one, else when the server is ready again. */
  callback: (error: Error | null) => void;
  /** The client gives its parsers of values to whatever it finds here. */
  readonly _result: ParserTaker;
  /** The client reads it, in ms. */
  query_timeout = 0;
  readonly #statements: readonly SharedStatement[];
  readonly #needed: number;
  readonly #queries: readonly InnerQuery[];
  #complete = 0;
  /** Of the complete ones, those before the first that could not be read. */
  #read = 0;
  /** Of a statement that could not be sent: it and those behind it were not. */
  #unsent: Error | null = null;
  /** The statement on whose account nothing was sent. */
  #refused: number | undefined;
  /** Of a row that could not be read. */
  #unread: Error | null = null;

  constructor(
    statements: readonly SharedStatement[],
    needed: number,
    callback: (error: Error | null) => void,
  ) {
    this.callback = callback;
    this.#needed = needed;
    this.#queries = statements.map(({ name, text, values }) => {
      // Of a text and values pg makes a query in half the time that it takes to copy an object.
      const query = new Query(text, values) as unknown as InnerQuery;
      query.name = name;
      query.callback = (error) => {
        this.#unsent = error;
      };
      return query;
    });
    this.#statements = statements;
    this._result = new ParserTaker(this.#queries);
  }

  /** Which statement an error is of: the first that was refused, is not complete, or could not be read. */
  get failed(): number {
    return this.#refused ?? this.#read;
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

  /** @returns what nothing was sent for; the client hands it to {@link handleError}. */
  submit(connection: Connection): Error | null {
    const sender = BatchSender.of(connection);
    sender.begin();
    for (const [index, query] of this.#queries.entries()) {
      // Those before it in the batch count as submitted by now.
      if (hasOtherText(connection, query)) {
        this.#unsent = nameTaken(query.name);
        if (index >= this.#needed) break;
        this.#refused = index;
        return this.#unsent;
      }
      sender.add(query, this.#statements[index]?.quiet === true);
      if (this.#unsent !== null) break;
    }
    sender.send();
    return null;
  }

  handleRowDescription(message: unknown): void {
    this.#current?.handleRowDescription(message);
  }

  handleDataRow(message: unknown): void {
    if (!this.#statements[this.#complete]?.quiet) this.#current?.handleDataRow(message);
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

  handleCopyInResponse(connection: Connection): void {
    connection.sendCopyFail("No data was given to copy.");
    connection.sync(); // the one behind the statements was taken for a part of what is copied
  }

  /** What is copied out is nobody's. */
  handleCopyData(): void {}

  #completeOne(): void {
    this.#complete += 1;
    if (this.#unread === null) this.#read = this.#complete;
  }

  handleError(error: Error, connection: Connection): void {
    // The server has skipped the Parse of those behind, or was not sent any: they are to be sent again.
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

/** Passes what the client gives to one result on to those of all queries. */
class ParserTaker {
  readonly #queries: readonly InnerQuery[];

  constructor(queries: readonly InnerQuery[]) {
    this.#queries = queries;
  }

  /** None yet, so the client gives its own. */
  get _types(): undefined {
    return undefined;
  }

  set _types(types: unknown) {
    for (const query of this.#queries) query._result._types = types;
  }
}
