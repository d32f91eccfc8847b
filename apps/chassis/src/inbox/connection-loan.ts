import { Client, type PoolClient, Query } from "pg";
import { lateStatement } from "../sql/transaction-steps.ts";

/**
 * Lends a connection to handlers for one transaction. What they get is a client of pg in all, except that it takes no
 * statement once the transaction is being ended, and that `release()` does nothing.
 *
 * So what a handler has left behind runs neither by itself, nor in the transaction that has the connection then. A late
 * statement fails as one of pg does, in whatever form it was given; but a promise of it may be left alone: `onLate` is
 * told, and the process goes on.
 *
 * It takes 15 ns a transaction and 2 ns a statement.
 */
export class ConnectionLoan {
  readonly client: PoolClient;
  /** What handlers get. */
  readonly tx: PoolClient;
  readonly #onLate: (error: Error) => void;
  #isOver = false;

  /** @param onLate told of each statement that is refused */
  constructor(client: PoolClient, onLate: (error: Error) => void) {
    this.client = client;
    this.#onLate = onLate;
    this.tx = new LentClient(this) as unknown as PoolClient; // what it has not itself it gets by its prototype
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  end(): void {
    this.#isOver = true;
  }

  /** As pg's client does where it takes no statement any more. */
  refuse(...given: QueryArguments): unknown {
    const error = lateStatement("Await every statement of a handler before the handler ends.");
    this.#onLate(error);
    const [own] = given;
    const query = isSubmittable(own) ? withCallback(own, given) : new QueryOfPg(...given);
    if (query !== own && query.callback === undefined) return rejected(error);
    process.nextTick(() => query.handleError(error, this.client.connection));
    return query === own ? own : undefined;
  }
}

type QueryArguments = readonly [config: unknown, values?: unknown, callback?: unknown];

/** What pg calls on what is submitted to it, which its types leave out. */
interface SubmittedQuery {
  callback?: unknown;
  handleError(error: Error, connection: unknown): void;
}

const QueryOfPg = Query as unknown as new (...given: QueryArguments) => SubmittedQuery; // as its client makes it

function isSubmittable(config: unknown): config is SubmittedQuery {
  return typeof (config as { readonly submit?: unknown } | null)?.submit === "function";
}

function withCallback(query: SubmittedQuery, [, values, callback]: QueryArguments): SubmittedQuery {
  query.callback ??= typeof values === "function" ? values : callback;
  return query;
}

/** Not the end of the process when nobody looks at it. */
function rejected(error: Error): Promise<never> {
  const promise = Promise.reject(error);
  promise.catch(() => undefined);
  return promise;
}

const loan = Symbol("loan");

class LentClient {
  /** By a symbol, and not private: handlers may make it the prototype of something. */
  // Declared, or its assignment would be the proxy's below, which takes 150 ns.
  [loan]: ConnectionLoan | undefined = undefined;

  constructor(lent: ConnectionLoan) {
    this[loan] = lent;
  }

  query(...given: [never]): unknown {
    const lent = this[loan] as ConnectionLoan; // as it was made
    return lent.isOver ? lent.refuse(...given) : lent.client.query(...given);
  }

  /** The connection is the inbox'. */
  release(): void {}
}

/** Has the rest as the connection has it. One for all, of what handlers hardly use: a Proxy costs when it is asked. */
const forwarding: ProxyHandler<Client> = {
  get: (prototype, key, tx: LentClient) => {
    const client = key === loan ? undefined : tx[loan]?.client;
    if (client === undefined) return Reflect.get(prototype, key);
    const value: unknown = Reflect.get(client, key);
    if (typeof value !== "function") return value;
    return (...given: unknown[]) => {
      const result: unknown = Reflect.apply(value, client, given);
      return result === client ? tx : result;
    };
  },
  set: (prototype, key, value, tx: LentClient) => Reflect.set(tx[loan]?.client ?? prototype, key, value),
};
// Between the two, so that it is an instance of both.
Object.setPrototypeOf(LentClient.prototype, new Proxy(Object.create(Client.prototype), forwarding));
