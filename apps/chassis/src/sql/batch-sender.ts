import type { QueryResult } from "pg";
import { QuartetError } from "../error/quartet-error.ts";

/** What pg's client asks of who submits to it, and what its connection offers them (pg 8, as pg-cursor uses it). */
export interface Connection {
  readonly parsedStatements: Record<string, string>;
  readonly submittedNamedStatements: Record<string, string>;
  sendCopyFail(reason: string): void;
  /** All that is sent goes through this. */
  _send(message: Buffer): unknown;
  sync(): void;
}

/** pg's own query, which knows how to prepare itself and to gather its rows. */
export interface InnerQuery {
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
export class BatchSender {
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

/** pg's own query looks when it is submitted, which these are not. */
export function hasOtherText(
  { parsedStatements, submittedNamedStatements }: Connection,
  query: InnerQuery,
): boolean {
  if (!query.name) return false;
  const text = parsedStatements[query.name] ?? submittedNamedStatements[query.name];
  return text !== undefined && text !== query.text;
}

export function nameTaken(name: string | undefined): QuartetError {
  return new QuartetError("internal", `The statement "${name}" has another text on this connection.`, {
    fix: "Give each text a name of its own, or none.",
  });
}
