import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../cluster/postgres/test-database.ts";
import type { OpenRuntime } from "../edge/open-runtime.ts";
import { QuartetError } from "../error/quartet-error.ts";
import { CommandFailedSchema } from "../gen/quartet/v1/intent_pb.ts";
import { formatPosition, parsePosition } from "../position/position.ts";
import { takePosition } from "../position/take-position.ts";
import { translateDatabaseError } from "../sql/translate-error.ts";
import {
  acceptance,
  acceptedAgain,
  acceptedWith,
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

/** What the database says to a login that may not do something. */
const readMissingGrant = () =>
  database.query("do $$ begin raise insufficient_privilege; end $$").catch((error) => error);

const notNow = { code: "internal", fix: expect.stringContaining("quartet apply") };

test("a grant that is missing is not the end of what was accepted: it is decided again", async () => {
  const name = newName();
  let missing: unknown = await readMissingGrant();
  const push = acceptance(
    runtime,
    "decisions",
    name,
    async () => {
      if (missing !== undefined) throw translateDatabaseError(missing);
    },
    name,
  );
  await expect(receive(runtime, push)).rejects.toMatchObject(notNow);
  expect(await endOf(database, name)).toBeUndefined();
  missing = undefined;
  await receive(runtime, push);
  expect(await endOf(database, name)).toBe("committed");
});

test("a grant that is missing is not the end of what was decided: it is written later", async () => {
  const name = newName();
  const intent = await offload(runtime, name, async (ctx) => change(ctx, "upsert", "red", name));
  await database.query(`create function ledger.refuse() returns trigger language plpgsql as
    'begin raise insufficient_privilege; end'`);
  await database.query(
    "create trigger refuse before insert on ledger.red for each row execute function ledger.refuse()",
  );
  await expect(receive(runtime, intent)).rejects.toMatchObject(notNow);
  expect(await endOf(database, name)).toBeUndefined();
  await database.query("drop function ledger.refuse() cascade");
  await receive(runtime, intent);
  expect(await endOf(database, name)).toBe("committed");
});

test("a grant that is missing is not kept as the answer of a key", async () => {
  const name = newName();
  const missing = await readMissingGrant();
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

test("a command whose client named a place that no replica reaches is tried some times, then ends as refused", async () => {
  const name = newName();
  const here = parsePosition(await takePosition(database.pool));
  const position = formatPosition({ ...here, lsn: here.lsn + 2n ** 40n });
  // However long it lay before its first push.
  const acceptTime = timestampFromMs(Date.now() - 3_600_000);
  const accepted = { ...acceptedWith(runtime, name, async () => {}, name), position, acceptTime };
  await expect(decideInMicro(runtime, accepted, 1)).rejects.toMatchObject({ code: "aborted" });
  // Crud itself named this one.
  await expect(decideInMicro(runtime, { ...accepted, attempt: 2 }, 9)).rejects.toMatchObject({
    code: "stale",
  });
  expect(await refusalsOf(name)).toEqual([]);
  await decideInMicro(runtime, accepted, 9);
  expect(await refusalsOf(name)).toEqual(["failed_precondition"]);
  expect(await intentsOf(database, name)).toBe(0);
});

async function refusalsOf(name: string): Promise<string[]> {
  const rows = await database.query<{ code: string }>(
    "select payload->'problem'->>'code' as code from quartet.outbox where type = $1 and aggregateid = $2",
    [CommandFailedSchema.typeName, name],
  );
  return rows.map(({ code }) => code);
}
