import type { PoolClient, QueryResult, QueryResultRow } from "pg";
import type { SharedStatement, SqlClient, Statement } from "./sql-client.ts";
import { runStatements } from "./statement-batch.ts";
import { lateStatement, type RunningTransaction, requireCommitted } from "./transaction-steps.ts";
import { sqlStateOf } from "./translate-error.ts";

const savepointText = /^\s*savepoint\b/i;
const commitStatement = { name: "commit", text: "commit", quiet: true };

/** What statements of a transaction run on. */
export interface TransactionClient extends SqlClient {
  defer(statement: SharedStatement): void;
  /** Runs statements one after the other, in one round trip: none behind one that failed. */
  queryAll(statements: readonly Statement[]): Promise<readonly QueryResult[]>;
}

/**
 * A transaction in as few round trips as it can be. It begins with its first statement, a deferred one goes with the
 * next, the last of all with COMMIT; what goes together is skipped by the server from the first on that fails.
 *
 * States: not begun → open → over, when it is being committed or rolled back. Statements wait for one another: one that overtook a BEGIN that
 * failed would be a transaction of its own.
 */
export class OpenTransaction implements TransactionClient, RunningTransaction {
  readonly #client: PoolClient;
  readonly #begin: () => readonly SharedStatement[];
  #deferred: SharedStatement[] = [];
  /** Settles when all that was sent has been answered. Never rejects. */
  #answered: Promise<unknown> = Promise.resolve();
  #isBegun = false;
  #isSuspect = false;
  #hasSavepoint = false;
  /** Once it is being ended nothing more is sent: it would be a transaction of its own, or of whoever has the connection then. */
  #isOver = false;
  /** There is no transaction, one that can do nothing more, or one that lacks what was to be in it. */
  #fault: unknown;

  /** @param begin makes the statements that begin it, at the moment when it does */
  constructor(client: PoolClient, begin: () => readonly SharedStatement[]) {
    this.#client = client;
    this.#begin = begin;
  }

  defer(statement: SharedStatement): void {
    this.#requireOpen();
    this.#deferred.push({ ...statement, quiet: true });
  }

  async query<Row extends QueryResultRow>(statement: Statement): Promise<QueryResult<Row>> {
    this.#requireOpen();
    this.#hasSavepoint ||= savepointText.test(statement.text);
    const [result] = await this.#send([statement]);
    return result as QueryResult<Row>;
  }

  async queryAll(statements: readonly Statement[]): Promise<readonly QueryResult[]> {
    this.#requireOpen();
    return this.#send(statements);
  }

  get hasSavepoint(): boolean {
    return this.#hasSavepoint;
  }

  #requireOpen(): void {
    if (!this.#isOver) return;
    throw lateStatement("Await every statement of a write before the write returns.");
  }

  /**
   * Commits, if anything was done.
   *
   * @param after reads something once it is committed, in the same round trip
   * @returns the result of `after`; undefined also when that failed
   * @throws QuartetError `internal` when it was rolled back: somebody has caught an error of the database in it.
   */
  async commit(after?: Statement): Promise<QueryResult | undefined> {
    const afterwards = after === undefined ? [] : [after];
    this.#isOver = true;
    await this.#answered;
    if (this.#fault !== undefined) throw this.#fault;
    if (!this.#isBegun && this.#deferred.length === 0) {
      return after === undefined ? undefined : this.#readOnly(after);
    }
    // What is committed is committed, whatever becomes of what is read then.
    const [result, found] = await this.#send([commitStatement, ...afterwards], afterwards.length);
    requireCommitted(result);
    this.#isSuspect = after !== undefined && found === undefined;
    return found;
  }

  /** As after a COMMIT, of nothing. */
  async #readOnly(after: Statement): Promise<QueryResult | undefined> {
    try {
      return await this.#client.query({ ...after });
    } catch {
      this.#isSuspect = true;
      return undefined;
    }
  }

  get isSuspect(): boolean {
    return this.#isSuspect;
  }

  /** Undoes what was done, if anything was. */
  async rollback(): Promise<void> {
    this.#isOver = true;
    await this.#answered;
    if (this.#isBegun) await this.#client.query("rollback");
  }

  /**
   * Sends what was deferred by now and then these, and gives the results of these.
   *
   * @param optional how many of them, at the end, may fail
   */
  #send(statements: readonly SharedStatement[], optional = 0): Promise<readonly QueryResult[]> {
    const before = this.#deferred;
    this.#deferred = [];
    const sent = this.#answered.then(() =>
      this.#isBegun || this.#fault !== undefined
        ? this.#goOn(before, statements, optional)
        : this.#start(before, statements, optional),
    );
    this.#answered = sent.catch(() => undefined);
    return sent;
  }

  async #start(...[deferred, statements, optional]: Sent): Promise<readonly QueryResult[]> {
    try {
      const begin = this.#begin();
      this.#isBegun = true;
      return await this.#run([...begin, ...deferred], statements, optional);
    } catch (error) {
      this.#fault = error;
      throw error;
    }
  }

  async #goOn(...sent: Sent): Promise<readonly QueryResult[]> {
    if (this.#fault !== undefined) throw this.#fault;
    return this.#run(...sent);
  }

  async #run(...[before, statements, optional]: Sent): Promise<readonly QueryResult[]> {
    const all = [...before, ...statements];
    try {
      const results = await runStatements(this.#client, all, all.length - optional);
      return results.slice(before.length);
    } catch (error) {
      // The server knows of no fault, and would commit without what was deferred.
      if (before.length > 0 && sqlStateOf(error) === undefined) this.#fault = error;
      throw error;
    }
  }
}

/** Statements whose results nobody looks at, those that are asked for, and how many of these may fail. */
type Sent = readonly [
  before: readonly SharedStatement[],
  statements: readonly SharedStatement[],
  optional: number,
];
