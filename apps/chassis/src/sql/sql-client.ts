import type { QueryResult, QueryResultRow } from "pg";

/** A statement with a name is prepared once per connection: twice as fast as an unnamed one on hot paths. */
export interface Statement {
  readonly name?: string;
  readonly text: string;
  readonly values?: unknown[];
}

/** A statement that is sent together with others. */
export interface SharedStatement extends Statement {
  /** Makes what it failed with what is to be thrown: whoever is told may not be who asked for it. */
  readonly explain?: (error: unknown) => unknown;
  /** Its rows are not looked at, so the server need not describe them. */
  readonly quiet?: boolean;
}

/** What statements run on: a pool or one of its connections inside a transaction. */
export interface SqlClient {
  query<Row extends QueryResultRow>(statement: Statement): Promise<QueryResult<Row>>;
  /**
   * Runs a statement whose result nobody looks at, with whatever is sent next: the transaction does not end before it
   * has succeeded, and what it fails with is what that fails with. Only where a transaction can wait for it.
   */
  defer?(statement: SharedStatement): void;
  /** A savepoint was set: what fails is to fail where it was asked for, so that it can be undone by itself. */
  readonly hasSavepoint?: boolean;
}
