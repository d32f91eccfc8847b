import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../cluster/postgres/test-database.ts";
import type { OpenRuntime } from "../edge/open-runtime.ts";
import type { LooseMessage } from "../schema/test-schema.ts";
import type { CommandContext } from "../service/contexts.ts";
import {
  acceptedAgain,
  change,
  direct,
  endOf,
  happen,
  offload,
  offloadAgain,
  offloadReaction,
  openLedger,
  RedSchema,
  readAll,
  readValue,
  receive,
  type Script,
  type Way,
} from "./test-decisions.ts";

let database: TestDatabase;
let runtime: OpenRuntime;
let count = 0;

beforeAll(async () => {
  database = await openTestDatabase();
  runtime = await openLedger(database);
});
afterAll(async () => {
  await runtime?.[Symbol.asyncDispose]();
  await database?.[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await database.query("truncate ledger.red, ledger.blue");
  await database.query(
    `insert into ledger.red (pb) values ('{"id":"a","value":"0"}'), ('{"id":"b","value":"0"}')`,
  );
});

const newName = () => `operation ${++count}`;
const touch = (id: string) =>
  database.query(
    `update ledger.red set pb = pb || '{"value":"other"}', version = version + 1 where id = $1`,
    [id],
  );

/** Reads some rows and then writes one. */
const rests =
  (reads: readonly string[], way: Way, table: "red" | "blue", id: string): Script =>
  async (ctx) => {
    for (const read of reads)
      await readValue(ctx, read.split("/")[0] as "red" | "blue", read.split("/")[1] ?? "");
    change(ctx, way, table, id, `new ${++count}`);
  };

describe("an intent that rests on a row", () => {
  test("is applied while the row is the same", async () => {
    const name = newName();
    await receive(runtime, await offload(runtime, name, rests(["red/a", "red/none"], "upsert", "red", "b")));
    expect(await endOf(database, name)).toBe("committed");
    expect((await readAll(database)).get("red/b")).toMatch(/^new /);
  });

  test("does nothing once the row has changed, but to be decided again, however often it is pushed", async () => {
    const name = newName();
    const intent = await offload(runtime, name, rests(["red/a"], "upsert", "red", "b"));
    await touch("a");
    await Promise.all([receive(runtime, intent), receive(runtime, intent)]);
    await receive(runtime, intent);
    expect((await readAll(database)).get("red/b")).toBe("0");
    expect(await endOf(database, name)).toBeUndefined();
    const [accepted, ...more] = await acceptedAgain(database, runtime, name);
    expect(more).toEqual([]);
    expect(accepted).toMatchObject({ operationId: name, attempt: 2, principal: "tester", fingerprint: name });
    expect(accepted?.position).toMatch(/^\d+-1-/);
    if (accepted === undefined) throw new Error("unreachable");
    await receive(runtime, await offloadAgain(runtime, accepted));
    expect(await endOf(database, name)).toBe("committed");
  });

  test("knows a row from another that took its key, at the same version", async () => {
    const name = newName();
    const intent = await offload(runtime, name, rests(["red/a"], "upsert", "red", "b"));
    await database.query("delete from ledger.red where id = 'a'");
    await database.query(`insert into ledger.red (pb) values ('{"id":"a","value":"0"}')`);
    await receive(runtime, intent);
    expect(await acceptedAgain(database, runtime, name)).toHaveLength(1);
  });

  test("is not held up by a read that was a peek, and is by what it assumes", async () => {
    const [free, bound] = [newName(), newName()];
    const peeks = await offload(runtime, free, async (ctx) => {
      await ctx.table(RedSchema).peek("a");
      change(ctx, "upsert", "red", "b", "peeked");
    });
    const assumes = await offload(runtime, bound, async (ctx) => {
      const page = await ctx.table(RedSchema).list({ where: { id: "a" } });
      for (const row of page.messages) ctx.assume(RedSchema, row);
      ctx.assume(RedSchema, "none", 0n);
      change(ctx, "upsert", "red", "b", "assumed");
    });
    await touch("a");
    await receive(runtime, peeks);
    await receive(runtime, assumes);
    expect((await readAll(database)).get("red/b")).toBe("peeked");
    expect(await acceptedAgain(database, runtime, bound)).toHaveLength(1);
  });

  test("is decided on the primary in the end, and aborted when that is in vain", async () => {
    const [lucky, unlucky] = [newName(), newName()];
    for (const name of [lucky, unlucky]) {
      const script: Script = async (ctx) => {
        const value = await readValue(ctx, "red", "a");
        if (name === unlucky) await touch("a");
        change(ctx, "upsert", "red", name, value);
      };
      await receive(runtime, await offload(runtime, name, script).finally(() => touch("a")));
      for (const attempt of [2, 3, 4]) {
        const accepted = (await acceptedAgain(database, runtime, name)).at(-1);
        expect(accepted?.attempt).toBe(attempt);
        if (accepted === undefined) throw new Error("unreachable");
        const intent = await offloadAgain(runtime, accepted);
        await touch("a");
        await receive(runtime, intent);
      }
      expect(await acceptedAgain(database, runtime, name)).toHaveLength(3);
    }
    expect(await endOf(database, lucky)).toBe("committed");
    expect(await endOf(database, unlucky)).toBe("aborted");
    expect([...(await readAll(database)).keys()]).toEqual(expect.not.arrayContaining([`red/${unlucky}`]));
  });
});

describe("two decisions that do not know of each other", () => {
  test.each<readonly [string, Script, Script]>([
    [
      "each read both rows and write one",
      rests(["red/a", "red/b"], "patch", "red", "a"),
      rests(["red/b", "red/a"], "patch", "red", "b"),
    ],
    [
      "both insert what was not there",
      rests(["red/k"], "insert", "red", "k"),
      rests(["red/k"], "insert", "red", "k"),
    ],
    [
      "both put what was not there",
      rests(["red/k"], "upsert", "red", "k"),
      rests(["red/k"], "upsert", "red", "k"),
    ],
    [
      "each insert what the other found absent",
      rests(["blue/x"], "insert", "red", "x"),
      rests(["red/x"], "insert", "blue", "x"),
    ],
    [
      "one changes what the other read, and inserts what it found absent",
      rests(["red/k"], "patch", "red", "a"),
      rests(["red/a"], "insert", "red", "k"),
    ],
  ])("are not both written when they %s", async (_, first, second) => {
    for (let round = 0; round < 8; round++) {
      await database.query("delete from ledger.red where id in ('k', 'x')");
      await database.query("delete from ledger.blue");
      const names = [newName(), newName()];
      const intents = [
        await offload(runtime, names[0] ?? "", first),
        await offload(runtime, names[1] ?? "", second),
      ];
      await Promise.all(intents.map((intent) => receive(runtime, intent)));
      const ends = await Promise.all(names.map((name) => endOf(database, name)));
      expect(ends.filter((end) => end === "committed")).toHaveLength(1);
      expect(ends.filter((end) => end === undefined)).toHaveLength(1);
    }
  });
});

describe("in the crud class", () => {
  const increment: Script = async (ctx) => {
    const value = Number(await readValue(ctx, "red", "a"));
    change(ctx, "patch", "red", "a", String(value + 1));
  };

  test("commands that want the same row are decided again until each has seen the others", async () => {
    await Promise.all(Array.from({ length: 40 }, () => direct(runtime, newName(), increment)));
    expect((await readAll(database)).get("red/a")).toBe("40");
  });

  test("a command whose row changes each time is aborted, and has no effect", async () => {
    const name = newName();
    let times = 0;
    const running = direct(runtime, name, async (ctx) => {
      times++;
      await increment(ctx);
      await touch("a");
    });
    await expect(running).rejects.toMatchObject({ code: "aborted" });
    expect(times).toBe(5);
    expect(await endOf(database, name)).toBeUndefined();
  });

  test("a reaction is decided again there, with its event, and has its effect once whoever gets it again", async () => {
    const event = happen(newName(), increment);
    const intent = await offloadReaction(runtime, event);
    await touch("a");
    await database.query(`update ledger.red set pb = pb || '{"value":"7"}' where id = 'a'`);
    await Promise.all([receive(runtime, intent), receive(runtime, event), receive(runtime, intent)]);
    await receive(runtime, intent);
    expect((await readAll(database)).get("red/a")).toBe("8");
  });
});

test("a check costs one statement for each table that was read, two more when a key had no row, and no reads cost none", async () => {
  const countOf = async (script: Script) => {
    await direct(runtime, newName(), script); // connections know their statements, writes their tables
    return countStatements(() => direct(runtime, newName(), script));
  };
  const writes = (ctx: CommandContext) => change(ctx, "patch", "red", "b", newName());
  const none = await countOf(async (ctx) => writes(ctx));
  const one = await countOf(async (ctx) => {
    await readValue(ctx, "red", "a");
    writes(ctx);
  });
  const many = await countOf(async (ctx) => {
    const rows = await ctx.table(RedSchema).getMany(["a", "b", "a"]);
    expect(rows.map((row) => (row as LooseMessage)["id"]).sort()).toEqual(["a", "b"]);
    writes(ctx);
  });
  const absent = await countOf(async (ctx) => {
    await readValue(ctx, "red", "none");
    writes(ctx);
  });
  expect([one - none, many - none, absent - none]).toEqual([1, 1, 3]);
});

/** Statements of the writing connections meanwhile. */
async function countStatements(work: () => Promise<unknown>): Promise<number> {
  const writer = runtime.main?.writer;
  if (writer === undefined) throw new Error("unreachable");
  let statements = 0;
  const watch = (client: { query: unknown }) => {
    const { query } = client as { query: (...args: unknown[]) => unknown };
    client.query = (...args: unknown[]) => {
      statements++;
      return query.apply(client, args);
    };
    watched.push([client, query]);
  };
  const watched: [{ query: unknown }, unknown][] = [];
  writer.on("acquire", watch);
  await work();
  writer.off("acquire", watch);
  for (const [client, query] of watched) client.query = query;
  return statements;
}
