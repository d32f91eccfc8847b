import { type ClientBase, Query, type QueryResult, type Submittable } from "pg";
import type { SharedStatement } from "./sql-client.ts";

/**
 * Runs statements one after the other in one round trip, by one Sync of the extended protocol behind all of them
 * (PostgreSQL 18, "Extended Query", "Pipelining"): when one fails, the server skips those behind it. So none of them is
 * ever run without those before it.
 *
 * Without an explicit `begin` among them they are one transaction, and an explicit one spans what follows it.
 *
 * @param needed how many of them, from the first on, must succeed: what one behind them fails with is not thrown
 * @returns the results of those that succeeded, in order
 * @throws what the first one that failed failed with, as its `explain` has it.
 */
export function runStatements(
  client: ClientBase,
  statements: readonly SharedStatement[],
  needed: number = statements.length,
): Promise<readonly QueryResult[]> {
  const { promise, resolve, reject } = Promise.withResolvers<readonly QueryResult[]>();
  const timeoutMs = (client as unknown as TimedClient).connectionParameters.query_timeout || 0;
  const batch = new StatementBatch(statements, (error) => {
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

/** What pg's client asks of who submits to it, and what its connection offers them (pg 8, as pg-cursor uses it). */
interface Connection {
  readonly submittedNamedStatements: Record<string, string>;
  sendCopyFail(reason: string): void;
  /** All that is sent goes through this. */
  _send(message: Buffer): unknown;
  sync(): void;
}

/** Where pg's client has how long an answer may take, in ms; 0 or false: as long as it wants. */
interface TimedClient {
  readonly connectionParameters: { readonly query_timeout: number | false };
}

/** pg's own query, which knows how to prepare itself and to gather its rows. */
interface InnerQuery {
  name: string | undefined;
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

const senders = new WeakMap<Connection, BatchSender>();

/**
 * Gathers what queries send, and sends it as one piece, which takes half the time of many; and with one Sync, for those that
 * pg's query sends are left out.
 */
class BatchSender {
  readonly #connection: Connection;
  #messages: Buffer[] = [];
  readonly #gathering: Connection;
  /** Whose rows are not looked at: they need not be described. */
  readonly #quietly: Connection;

  /** Kept with the connection: an object with a prototype of its own takes longer to make than a query to print. */
  static of(connection: Connection): BatchSender {
    const known = senders.get(connection);
    if (known !== undefined) return known;
    const sender = new BatchSender(connection);
    senders.set(connection, sender);
    return sender;
  }

  private constructor(connection: Connection) {
    this.#connection = connection;
    const ignored = { value: () => undefined };
    const gathered = { value: (message: Buffer) => this.#messages.push(message) };
    // A statement whose values cannot be sent is closed by pg, which goes on believing that the connection has it.
    this.#gathering = Object.create(connection, { _send: gathered, sync: ignored, close: ignored });
    this.#quietly = Object.create(this.#gathering, { describe: ignored });
  }

  begin(): void {
    this.#messages = [];
  }

  add(query: InnerQuery, isQuiet: boolean): void {
    query.prepare(isQuiet ? this.#quietly : this.#gathering);
  }

  send(): void {
    this.#messages.push(syncMessage);
    this.#connection._send(Buffer.concat(this.#messages));
  }
}

/** Sync, of the length of its length (PostgreSQL 18, "Message Formats"). */
const syncMessage = Buffer.from([0x53, 0, 0, 0, 4]);

/** Several queries that pg's client takes for one. What the server sends belongs to the first that is not complete. */
class StatementBatch {
  /** The client replaces and calls it: with an error as soon as there is one, else when the server is ready again. */
  callback: (error: Error | null) => void;
  /** The client gives its parsers of values to whatever it finds here. */
  readonly _result: ParserTaker;
  /** The client reads it, in ms. */
  query_timeout = 0;
  readonly #statements: readonly SharedStatement[];
  readonly #queries: readonly InnerQuery[];
  #complete = 0;
  /** Of the complete ones, those before the first that could not be read. */
  #read = 0;
  /** Of a value that could not be sent: its statement and those behind it were not. */
  #unsent: Error | null = null;
  /** Of a row that could not be read. */
  #unread: Error | null = null;

  constructor(statements: readonly SharedStatement[], callback: (error: Error | null) => void) {
    this.callback = callback;
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

  /** Which statement an error is of: the first that is not complete, or could not be read. */
  get failed(): number {
    return this.#read;
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

  submit(connection: Connection): null {
    const sender = BatchSender.of(connection);
    sender.begin();
    for (const [index, query] of this.#queries.entries()) {
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
