import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../cluster/postgres/test-database.ts";
import type { OpenRuntime } from "../edge/open-runtime.ts";
import { QuartetError } from "../error/quartet-error.ts";
import { translateDatabaseError } from "../sql/translate-error.ts";
import {
  acceptance,
  acceptedAgain,
  change,
  decideInMicro,
  direct,
  endOf,
  intentsOf,
  offload,
  openLedger,
  readValue,
  receive,
  type Script,
} from "./test-decisions.ts";

let database: TestDatabase;
let runtime: OpenRuntime;
let count = 0;
const newName = () => `operation ${++count}`;

beforeAll(async () => {
  database = await openTestDatabase();
  runtime = await openLedger(database);
});
afterAll(async () => {
  await runtime?.[Symbol.asyncDispose]();
  await database?.[Symbol.asyncDispose]();
});

test("an accepted command whose key was used for another request is dropped, also when it is refused", async () => {
  const name = newName();
  const refuse: Script = async () => {
    throw new QuartetError("failed_precondition", "No.");
  };
  await receive(runtime, acceptance(runtime, "operations", name, refuse, "first"));
  await receive(runtime, acceptance(runtime, "decisions", name, refuse, "second"));
  expect(await endOf(database, name)).toBeUndefined();
});

test("a grant that is missing is not kept as the answer of a key", async () => {
  const name = newName();
  const missing = await database
    .query("do $$ begin raise insufficient_privilege; end $$")
    .catch((error) => error);
  const refused = direct(runtime, name, async () => {
    throw translateDatabaseError(missing);
  });
  await expect(refused).rejects.toMatchObject({ code: "permission_denied" });
  expect(await endOf(database, name)).toBeUndefined();
});

test("a command is decided again also when a failover has lost what undid it, and its position with that", async () => {
  const name = newName();
  const intent = await offload(runtime, name, async (ctx) => {
    await readValue(ctx, "red", name);
    change(ctx, "upsert", "red", "b");
  });
  await database.query("insert into ledger.red (pb) values (jsonb_build_object('id', $1::text))", [name]);
  await receive(runtime, intent);
  const [accepted] = await acceptedAgain(database, runtime, name);
  if (accepted === undefined) throw new Error("it was not accepted again");
  // As of a timeline that no server has.
  const position = accepted.position.replace("-1-", "-0-");
  await decideInMicro(runtime, { ...accepted, position });
  expect(await intentsOf(database, name)).toBe(1);
});
