import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Pool } from "pg";
import { pino } from "pino";
import { type ReadPlace, readAtPosition } from "../command/read-at-position.ts";
import { RetryBudget } from "../edge/overload/retry-budget.ts";
import { ClassUpstreams } from "../edge/upstream/class-upstreams.ts";
import { toQuartetError } from "../error/problem.ts";
import { QuartetError } from "../error/quartet-error.ts";
import { parsePosition } from "../position/position.ts";
import { ReplayWatcher } from "../position/replay-watcher.ts";
import { takePosition } from "../position/take-position.ts";
import { translateDatabaseError } from "../sql/translate-error.ts";
import { sendProblem } from "../wire/http/send-problem.ts";
import { forward } from "./forward.ts";
import type { Route } from "./routes.ts";

/** A process that reads (and, as crud, raises) the numbers of a table over HTTP, with a database of its own. */
export interface NumberProcess extends AsyncDisposable {
  readonly url: string;
  /** From now on it uses another database. */
  lead(pool: Pool): void;
  /** While it is fenced it writes nothing. Resolves when nothing is being written any more. */
  fence(): Promise<void>;
  open(): void;
  /** A planted fault: reads wherever the replica is. */
  ignorePosition: boolean;
}

/** Opens one: `GET /k` answers with the number of key `k`, `POST /k` raises it by one. */
export async function openNumberProcess(
  serviceClass: "nano" | "crud",
  name: string,
  firstPool: Pool,
): Promise<NumberProcess> {
  let database = describe(firstPool);
  let fenced = false;
  const writing = new Set<Promise<unknown>>();
  function describe(pool: Pool): { readonly pool: Pool } & ReadPlace {
    return { pool, replay: new ReplayWatcher(pool), isPrimary: serviceClass === "crud" };
  }
  const raise = async (key: string): Promise<Found> => {
    if (serviceClass !== "crud") throw new QuartetError("wrong_class", "It only reads.");
    if (fenced) throw new QuartetError("unavailable", "It is fenced.");
    const { pool } = database;
    const done = pool.query<Row>("update numbers set n = n + 1 where key = $1 returning n", [key]);
    const held = done.catch(() => undefined);
    writing.add(held);
    try {
      return { n: numberOf((await done).rows), position: await takePosition(pool) };
    } finally {
      writing.delete(held);
    }
  };
  const read = async (key: string, asked: string | undefined): Promise<Found> => {
    const { pool, replay } = database;
    const query = async () =>
      numberOf((await pool.query<Row>("select n from numbers where key = $1", [key])).rows);
    if (asked === undefined || result.ignorePosition) {
      await replay.settle();
      return { n: await query(), position: asked };
    }
    const scope = { deadlineMs: Date.now() + 5_000, signal: AbortSignal.timeout(5_000) };
    const { answer, position } = await readAtPosition(database, parsePosition(asked), scope, async () => {
      return (await query()) as never; // the number stands for an answer
    });
    return { n: answer as never, position };
  };
  const server = await listen(async (request, response) => {
    const key = (request.url ?? "/").slice(1);
    const asked = request.headers["quartet-position"];
    try {
      const found = await (request.method === "GET" ? read(key, asked as string | undefined) : raise(key));
      response.setHeader("Quartet-Class", name);
      if (found.position !== undefined) response.setHeader("Quartet-Position", found.position);
      response.end(String(found.n));
    } catch (error) {
      sendProblem(response, toQuartetError(translateDatabaseError(error)));
    }
  });
  const result: NumberProcess = {
    url: server.url,
    ignorePosition: false,
    lead: (pool) => {
      database = describe(pool);
    },
    fence: async () => {
      fenced = true;
      await Promise.all(writing);
    },
    open: () => {
      fenced = false;
    },
    [Symbol.asyncDispose]: server[Symbol.asyncDispose],
  };
  return result;
}

interface Row {
  readonly n: number;
}

interface Found {
  readonly n: number;
  readonly position: string | undefined;
}

function numberOf([row]: readonly Row[]): number {
  if (row === undefined) throw new QuartetError("not_found", "There is no such key.");
  return row.n;
}

/** A gateway in front of number processes. */
export async function openNumberGateway(crud: string, nano: readonly string[], positionCookie?: string) {
  const upstreams = new ClassUpstreams({ crud: [crud], nano, micro: [], lambda: [] });
  const log = pino({ level: "silent" });
  const server = await listen(async (incoming, outgoing) => {
    const safe = incoming.method === "GET";
    const route: Route = {
      ...{ method: undefined, mode: undefined, consistency: undefined, safe, reason: "test" },
      serviceClass: safe ? "nano" : "crud",
    };
    const signal = AbortSignal.timeout(10_000);
    const body = Buffer.alloc(0);
    const guard = { deadlineMs: Date.now() + 10_000, retries: new RetryBudget(), waits: false };
    const target = incoming.url ?? "/";
    await forward(upstreams, {
      ...{ incoming, outgoing, body, target, route, signal, positionCookie, ...guard },
    }).catch((error: unknown) => {
      log.error({ err: error });
      sendProblem(outgoing, toQuartetError(error));
    });
  });
  return {
    url: server.url,
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await upstreams[Symbol.asyncDispose]();
    },
  };
}

async function listen(handler: (request: IncomingMessage, response: ServerResponse) => Promise<void>) {
  const server: Server = createServer((request, response) => void handler(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo; // it listens on a port
  return {
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
