import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Kysely } from "kysely";
import { Pool as HttpPool } from "undici";
import { createReader } from "../../src/pbtable/kysely.ts";
import { type Contestant, inParallel } from "../harness/contest.ts";
import { type BenchTables, width } from "./bench-tables.ts";
import { type HandMadeDatabase, handMadeJson, handMadeMessage } from "./hand-made.ts";

type Pair = readonly [Contestant, Contestant];

/** By key, to a message. */
export function getContest({ items, handMade }: BenchTables, rows: number): Pair {
  const idOf = (index: number) => `item-${(index * 13) % rows}`;
  return [
    {
      name: "pbtable get",
      run: (count) =>
        inParallel(count, width, async (index) => {
          const item = await items.get(idOf(index));
          requireItem(item, idOf(index));
        }),
    },
    {
      name: "hand-made select",
      run: (count) =>
        inParallel(count, width, async (index) => {
          const row = await handMade
            .selectFrom("bench.hand_made")
            .selectAll()
            .where("id", "=", idOf(index))
            .executeTakeFirst();
          requireItem(row && handMadeMessage(row), idOf(index));
        }),
    },
  ];
}

/** A hundred rows by a range of the indexed column, in its order: three columns of each. */
export function columnScanContest({ pool, handMade }: BenchTables): Pair {
  // The suite's table is not among the domain's types, so Kysely is told that it has the hand-made one's columns.
  const reader = createReader(pool) as unknown as Pick<
    Kysely<Record<"bench.items", HandMadeDatabase["bench.hand_made"]>>,
    "selectFrom"
  >;
  return [
    {
      name: "pbtable columns",
      run: (count) =>
        inParallel(count, width, async (index) => {
          const rows = await reader
            .selectFrom("bench.items")
            .select(["id", "price_cents", "name"])
            .where("price_cents", ">=", priceOf(index))
            .orderBy("price_cents")
            .limit(100)
            .execute();
          requireHundred(rows);
        }),
    },
    {
      name: "hand-made columns",
      run: (count) =>
        inParallel(count, width, async (index) => {
          const rows = await handMade
            .selectFrom("bench.hand_made")
            .select(["id", "price_cents", "name"])
            .where("price_cents", ">=", priceOf(index))
            .orderBy("price_cents")
            .limit(100)
            .execute();
          requireHundred(rows);
        }),
    },
  ];
}

/** The same range, whole messages. */
export function messageScanContest({ items, handMade }: BenchTables): Pair {
  return [
    {
      name: "pbtable list",
      run: (count) =>
        inParallel(count, width, async (index) => {
          const page = await items.list({
            where: { priceCents: { gte: priceOf(index) } },
            orderBy: ["priceCents"],
            pageSize: 100,
          });
          requireHundred(page.messages);
        }),
    },
    {
      name: "hand-made messages",
      run: (count) =>
        inParallel(count, width, async (index) => {
          const rows = await handMade
            .selectFrom("bench.hand_made")
            .selectAll()
            .where("price_cents", ">=", priceOf(index))
            .orderBy("price_cents")
            .orderBy("id")
            .limit(100)
            .execute();
          requireHundred(rows.map(handMadeMessage));
        }),
    },
  ];
}

/** By key, from the table to the body of an HTTP answer; the same bare server on both sides. */
export async function openHttpContest(
  { items, handMade }: BenchTables,
  rows: number,
): Promise<AsyncDisposable & { readonly pair: Pair }> {
  await using stack = new AsyncDisposableStack();
  const ours = stack.use(await openJsonServer(async (id) => (await items.getStored(id))?.json()));
  const theirs = stack.use(
    await openJsonServer(async (id) => {
      const row = await handMade
        .selectFrom("bench.hand_made")
        .selectAll()
        .where("id", "=", id)
        .executeTakeFirst();
      return row && handMadeJson(row);
    }),
  );
  const owned = stack.move();
  const contestant = (name: string, client: HttpPool): Contestant => ({
    name,
    run: (count) =>
      inParallel(count, width, async (index) => {
        const id = `item-${(index * 13) % rows}`;
        const { body } = await client.request({ method: "GET", path: `/${id}` });
        const text = await body.text();
        if (!text.includes(`"${id}"`)) throw new Error(`the answer for ${id} is ${text}`);
      }),
  });
  return {
    pair: [contestant("pbtable text", ours.client), contestant("hand-made JSON", theirs.client)],
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function openJsonServer(
  read: (id: string) => Promise<string | undefined>,
): Promise<AsyncDisposable & { readonly client: HttpPool }> {
  const answer: RequestListener = (request, response) => {
    read((request.url ?? "/").slice(1)).then(
      (text) => {
        response.writeHead(text === undefined ? 404 : 200, { "Content-Type": "application/json" });
        response.end(text ?? "{}");
      },
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  };
  const server: Server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const client = new HttpPool(`http://127.0.0.1:${port}`, { connections: width });
  return {
    client,
    [Symbol.asyncDispose]: async () => {
      await client.close();
      server.close();
      await once(server, "close");
    },
  };
}

function priceOf(index: number): bigint {
  return BigInt((index * 104_729) % 900_000);
}

function requireItem(message: unknown, id: string): void {
  if (typeof message === "object" && message !== null && Reflect.get(message, "id") === id) return;
  throw new Error(`${id} was not found`);
}

function requireHundred(rows: readonly unknown[]): void {
  if (rows.length !== 100) throw new Error(`a scan found ${rows.length} rows, not 100`);
}
