import type { DescMessage } from "@bufbuild/protobuf";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../../cluster/postgres/test-database.ts";
import type { LooseMessage } from "../../schema/test-schema.ts";
import { runTransaction } from "../../sql/run-transaction.ts";
import { ParcelSchema, parcelWriter } from "../merge/test-parcel.ts";
import type { TableWriter } from "../table-writer.ts";
import { createTables } from "../test-table.ts";

let database: TestDatabase;
let parcels: TableWriter<DescMessage>;

beforeAll(async () => {
  database = await openTestDatabase();
  await createTables(database, [ParcelSchema]);
  parcels = parcelWriter(database.pool);
});
afterAll(() => database[Symbol.asyncDispose]());
beforeEach(() => database.query("truncate test.parcels"));

type Options = NonNullable<Parameters<TableWriter<DescMessage>["list"]>[0]>;

const numbersOf = (messages: readonly unknown[]) =>
  messages.map((message) => (message as LooseMessage)["number"]);

/** Reads all pages; `between` runs after each. */
async function readPages(
  options: Options,
  between: (page: number) => Promise<unknown> = async () => undefined,
) {
  const numbers: unknown[] = [];
  let pageToken = "";
  for (let page = 1; ; page++) {
    const read = await parcels.list({ ...options, pageToken });
    numbers.push(...numbersOf(read.messages));
    if (read.nextPageToken === "") return numbers;
    expect(read.messages).toHaveLength(options.pageSize ?? 100);
    pageToken = read.nextPageToken;
    await between(page);
  }
}

const insertNumbers = (numbers: readonly number[], init: Record<string, unknown> = {}) =>
  parcels.insertMany(numbers.map((number) => ({ tenant: "t", number: BigInt(number), ...init })));

const range = (count: number, from = 0) => Array.from({ length: count }, (_, index) => from + index);

describe("a list", () => {
  test("of nothing is empty and ends", async () => {
    expect(await parcels.list()).toEqual({ messages: [], nextPageToken: "" });
  });

  test("is in the order of the key when no other is asked for", async () => {
    await insertNumbers([3, 1, 2]);
    expect(numbersOf((await parcels.list()).messages)).toEqual([1n, 2n, 3n]);
  });

  test("ends with an empty token, also when the last page is full", async () => {
    await insertNumbers(range(4));
    const first = await parcels.list({ pageSize: 2 });
    const second = await parcels.list({ pageSize: 2, pageToken: first.nextPageToken });
    expect(second.messages).toHaveLength(2);
    expect(second.nextPageToken).toBe("");
  });

  test("has 100 rows a page when nothing is said, and 1000 at most", async () => {
    await insertNumbers(range(1001));
    expect((await parcels.list()).messages).toHaveLength(100);
    expect((await parcels.list({ pageSize: 0 })).messages).toHaveLength(100);
    expect((await parcels.list({ pageSize: 5_000 })).messages).toHaveLength(1_000);
  });

  test.each([-1, 1.5, Number.NaN])("of %s rows is refused", async (pageSize) => {
    await expect(parcels.list({ pageSize })).rejects.toMatchObject({
      code: "invalid_argument",
      field: "page_size",
    });
  });

  test("gives every message the version of its row", async () => {
    await insertNumbers([1]);
    await parcels.update(["t", 1n], (draft) => void Object.assign(draft, { label: "x" }));
    const { messages } = await parcels.list();
    expect(messages.map((message) => parcels.versionOf(message))).toEqual([2n]);
  });
});

/** Values that collide, are absent, or differ by what JavaScript would lose. */
const row = fc.record(
  {
    label: fc.constantFrom("", "a", "b", "é", "Ä", "a'"),
    status: fc.constantFrom(0, 1, 2, 77),
    weight: fc.constantFrom(0, 0.1, 0.30000000000000004, 0.3, Number.NaN, Number.NEGATIVE_INFINITY, 1e300),
    small: fc.constantFrom(0, Math.fround(0.1), Math.fround(1 / 3)),
    sentTime: fc.record({
      seconds: fc.constantFrom(0n, -62_135_596_800n, 1n),
      nanos: fc.constantFrom(0, 1_000, 2_000),
    }),
    took: fc.record({
      seconds: fc.constantFrom(0n, 315_576_000_000n),
      nanos: fc.constantFrom(0, 1_000, 999_999_999),
    }),
    rank: fc.constantFrom(-1, 0, 7),
    nick: fc.constantFrom("", "n"),
    fragile: fc.boolean(),
    digest: fc.constantFrom(new Uint8Array(), Uint8Array.of(0, 255), Uint8Array.of(1)),
    big: fc.constantFrom(0n, 2n ** 64n - 1n, 2n ** 64n - 2n),
    payment: fc.oneof(
      fc.constantFrom("1", "2").map((value) => ({ case: "card", value })),
      fc.constantFrom(1n, 2n ** 60n).map((value) => ({ case: "cents", value })),
    ),
  },
  { requiredKeys: [] },
);
const names: Record<string, string> = {
  label: "label",
  status: "status",
  weight: "weight",
  small: "small",
  sentTime: "sent_time",
  took: "took",
  rank: "rank",
  nick: "nick",
  fragile: "fragile",
  digest: "digest",
  big: "big",
  card: "card",
  cents: "cents",
  tenant: "tenant",
  number: "number",
};
const order = fc
  .uniqueArray(fc.constantFrom(...Object.keys(names)), { maxLength: 3 })
  .chain((fields) =>
    fc.tuple(...fields.map((field) => fc.constantFrom("", " asc", " desc").map((end) => field + end))),
  );

describe("pages", () => {
  test("hold every row once, in the order of the database, for any order and size", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(row, { maxLength: 25 }),
        order,
        fc.integer({ min: 1, max: 6 }),
        async (rows, orderBy, pageSize) => {
          await database.query("truncate test.parcels");
          await parcels.insertMany(
            rows.map((init, index) => ({ ...init, tenant: `t${index % 2}`, number: BigInt(index) })),
          );
          const last = orderBy.at(-1)?.endsWith(" desc") ? " desc" : "";
          const by = [
            ...orderBy.map((text) => text.replace(/^\w+/, (field) => names[field] ?? "")),
            `tenant${last}`,
            `number${last}`,
          ];
          const all = await database.query<{ number: bigint }>(
            `select number from test.parcels order by ${by.join(", ")}`,
          );
          expect(await readPages({ orderBy, pageSize })).toEqual(all.map(({ number }) => number));
        },
      ),
      { numRuns: 150 },
    );
  });

  test("neither skip nor repeat a row that stays while others come and go before, at and after the cut", async () => {
    await insertNumbers(range(30).map((number) => number * 10));
    const seen = await readPages({ pageSize: 5 }, async (page) => {
      const cut = (page * 5 - 1) * 10;
      await insertNumbers([cut - 1, cut + 1]);
      for (const number of [cut, cut - 10, cut + 20]) await parcels.delete(["t", BigInt(number)]);
    });
    const kept = (await parcels.list({ pageSize: 1000 })).messages;
    expect(new Set(seen).size).toBe(seen.length);
    const stayed = numbersOf(kept).filter((number) => (number as bigint) % 10n === 0n);
    expect(stayed.filter((number) => !seen.includes(number))).toEqual([]);
  });

  test("show each row that stays once while writers insert and delete all the time", async () => {
    const stays = range(300).map((number) => number * 2);
    await insertNumbers(stays, { rank: 1 });
    const writers = new AbortController();
    const churn = async (offset: number) => {
      for (let count = 0; !writers.signal.aborted; count++) {
        const number = BigInt(((count * 7 + offset) % 300) * 2 + 1);
        await runTransaction(database.pool, async (client) => {
          const writer = parcelWriter(client);
          if (await writer.insertIfAbsent({ tenant: "t", number, rank: 1 })) return;
          await writer.delete(["t", number]);
        });
      }
    };
    const churning = [churn(0), churn(101)];
    try {
      for (const orderBy of ["number", "rank desc"]) {
        const seen = await readPages({ orderBy, pageSize: 20 });
        const even = seen.filter((number) => (number as bigint) % 2n === 0n).map(Number);
        expect(even.sort((a, b) => a - b)).toEqual(stays);
        expect(new Set(seen).size).toBe(seen.length);
      }
    } finally {
      writers.abort();
      await Promise.all(churning);
    }
  });
});

describe("a page token", () => {
  const query = { where: { label: "a" }, orderBy: "sentTime desc", pageSize: 1 };
  const token = async () => {
    await insertNumbers([1, 2], { label: "a" });
    return (await parcels.list(query)).nextPageToken;
  };

  test("goes through a URL as it is", async () => {
    expect(await token()).toMatch(/^[\w-]+$/);
  });

  test("is good with another page size", async () => {
    const pageToken = await token();
    expect((await parcels.list({ ...query, pageSize: 50, pageToken })).messages).toHaveLength(1);
  });

  test.each<[string, Options]>([
    ["another order", { ...query, orderBy: "sentTime" }],
    ["another filter", { ...query, where: { label: "b" } }],
    ["no filter", { orderBy: "sentTime desc" }],
    ["another operator", { ...query, where: { label: { gte: "a" } } }],
  ])("is refused by a query of %s", async (_, options) => {
    const pageToken = await token();
    await expect(parcels.list({ ...options, pageToken })).rejects.toMatchObject({
      code: "invalid_argument",
      field: "page_token",
    });
  });

  test("that is damaged anywhere is refused", async () => {
    const good = await token();
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: good.length - 1 }), fc.string({ maxLength: 2 }), async (at, text) => {
        const pageToken = good.slice(0, at) + text + good.slice(at + 1);
        fc.pre(pageToken !== good);
        await expect(parcels.list({ ...query, pageToken: pageToken || "x" })).rejects.toMatchObject({
          code: "invalid_argument",
          field: "page_token",
        });
      }),
    );
  });
});
