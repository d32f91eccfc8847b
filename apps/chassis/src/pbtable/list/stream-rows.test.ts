import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { DescMessage } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../../cluster/postgres/test-database.ts";
import type { LooseMessage } from "../../schema/test-schema.ts";
import type { SqlClient } from "../../sql/sql-client.ts";
import { ParcelSchema, parcelWriter } from "../merge/test-parcel.ts";
import type { TableWriter } from "../table-writer.ts";
import { createTables } from "../test-table.ts";

const rows = 50_000;

let database: TestDatabase;
let parcels: TableWriter<DescMessage>;

beforeAll(async () => {
  database = await openTestDatabase();
  await createTables(database, [ParcelSchema]);
  parcels = parcelWriter(database.pool);
  await database.query(
    `insert into test.parcels (pb)
     select jsonb_build_object('tenant', 't', 'number', n::text, 'label', repeat('x', 400), 'rank', n % 100)
     from generate_series(1, $1) n`,
    [rows],
  );
});
afterAll(() => database[Symbol.asyncDispose]());

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

function heapBytes(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

const numberOf = (message: unknown) => (message as LooseMessage)["number"] as bigint;

describe("a stream", () => {
  test("of many rows keeps their order, and a small part of the memory they would take at once", async () => {
    const before = heapBytes();
    const all: unknown[] = [];
    for await (const message of parcels.stream()) all.push(message);
    const whole = heapBytes() - before;
    expect(all.map(numberOf)).toEqual(Array.from({ length: rows }, (_, index) => BigInt(index + 1)));
    all.length = 0;

    const start = heapBytes();
    let most = 0;
    let count = 0n;
    for await (const message of parcels.stream()) {
      expect(numberOf(message)).toBe(++count);
      if (count % 5_000n === 0n) most = Math.max(most, heapBytes() - start);
    }
    expect(count).toBe(BigInt(rows));
    expect(most).toBeLessThan(whole / 8);
  });

  test("filters and orders as a list does", async () => {
    const seen: bigint[] = [];
    for await (const message of parcels.stream({
      where: { rank: { lt: 3 } },
      orderBy: ["rank desc", "number"],
    })) {
      seen.push(numberOf(message));
    }
    expect(seen).toHaveLength(1_500);
    expect(seen.slice(0, 3)).toEqual([2n, 102n, 202n]);
    expect(seen.at(-1)).toBe(BigInt(rows));
  });

  test("reads no more once its consumer stops, and holds no connection meanwhile", async () => {
    let queries = 0;
    const counting: SqlClient = {
      query: (statement) => {
        queries++;
        return database.pool.query(statement);
      },
    };
    for await (const message of parcelWriter(counting).stream()) {
      expect(database.pool.idleCount).toBe(database.pool.totalCount);
      if (numberOf(message) === 700n) break;
    }
    expect(queries).toBe(2);
  });

  test("of no row ends at once", async () => {
    for await (const message of parcels.stream({ where: { label: "none" } })) expect(message).toBeUndefined();
  });

  test("that cannot be filtered so throws when it is read", async () => {
    const reading = parcels.stream({ where: { nothing: 1 } }).next();
    await expect(reading).rejects.toMatchObject({ code: "invalid_argument", field: "nothing" });
  });
});
