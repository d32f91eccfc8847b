import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { applySchema } from "../apply/apply-schema.ts";
import { openTestDatabase, type TestDatabase } from "../cluster/postgres/test-database.ts";
import { OperationState } from "../gen/quartet/v1/operation_pb.ts";
import { testRegistry } from "../schema/test-schema.ts";
import { defineDomain } from "../service/domain.ts";
import type { TransactionClient } from "../sql/open-transaction.ts";
import { runCommit } from "../sql/run-commit.ts";
import { OperationWriter } from "./operation-writer.ts";

const domain = defineDomain({ name: "claiming", schema: testRegistry, services: [], writes: [] });
const accepted = {
  operationId: "op-1",
  state: OperationState.ACCEPTED,
  acceptTime: timestampFromDate(new Date()),
};

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
  await applySchema(domain, { databaseUrl: database.url(), eventsDatabaseUrl: database.url() });
});
afterAll(() => database[Symbol.asyncDispose]());
beforeEach(() => database.query("truncate quartet.operation"));

const claim = (tx: TransactionClient) => new OperationWriter(tx, testRegistry).claim(accepted);
const lockTimeout = async (tx: TransactionClient) =>
  (await tx.query<{ lock_timeout: string }>({ text: "show lock_timeout" })).rows[0]?.lock_timeout;

describe("a claim of an operation", () => {
  test("that is new stores it, and leaves the limit of locks as it was", async () => {
    const { value } = await runCommit(database.pool, async (tx) => {
      await tx.query({ text: "set local lock_timeout = '7s'" });
      return [await claim(tx), await lockTimeout(tx)];
    });
    expect(value).toEqual([undefined, "7s"]);
  });

  test("that is known gives it, and limits what waits for locks until it is told not to", async () => {
    await runCommit(database.pool, claim);
    const { value } = await runCommit(database.pool, async (tx) => {
      const operations = new OperationWriter(tx, testRegistry);
      const known = await operations.claim(accepted);
      const limited = await lockTimeout(tx);
      operations.unlimit();
      return [known?.operationId, limited, await lockTimeout(tx)];
    });
    expect(value).toEqual(["op-1", "50ms", "0"]);
    expect((await database.pool.query("show lock_timeout")).rows).toEqual([{ lock_timeout: "0" }]);
  });

  test.each([
    ["has locked", async () => runCommit(database.pool, claim)],
    ["is storing", async () => undefined],
  ])(
    "that another transaction %s is in flight, long before statements have no more time",
    async (_, before) => {
      await before();
      await runCommit(database.pool, async (tx) => {
        await claim(tx);
        await expect(runCommit(database.pool, claim)).rejects.toMatchObject({ code: "in_flight" });
      });
      const { value } = await runCommit(database.pool, claim);
      expect(value?.operationId).toBe("op-1");
    },
  );
});
