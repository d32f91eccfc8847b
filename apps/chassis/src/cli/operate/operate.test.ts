import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { applySchema } from "../../apply/apply-schema.ts";
import { createTestLogin, testDomain } from "../../apply/test-domain.ts";
import { openTestDatabase, type TestDatabase } from "../../cluster/postgres/test-database.ts";
import { openTestFolder } from "../../cluster/postgres/test-folder.ts";
import { DeadLetterSchema } from "../../gen/quartet/v1/subscription_pb.ts";
import { TableWriter } from "../../pbtable/table-writer.ts";
import { fillLog } from "../../relay/subscription/test-log.ts";
import { systemRegistry } from "../../schema/system-registry.ts";
import { tableOf } from "../../schema/table/table.ts";
import { runTransaction } from "../../sql/run-transaction.ts";
import { main } from "../main.ts";

const stack = new AsyncDisposableStack();
let database: TestDatabase;
let project: string;
let login: string;

beforeAll(async () => {
  database = stack.use(await openTestDatabase());
  await applySchema(testDomain, { databaseUrl: database.url(), eventsDatabaseUrl: database.url() });
  await fillLog(database, 10);
  login = database.url(await createTestLogin(database, "quartet_relay", "relay"));
  project = stack.use(await openTestFolder()).path;
  const domain = pathToFileURL(join(import.meta.dirname, "../../apply/test-domain.ts")).href;
  await writeFile(join(project, "quartet.config.ts"), `export { testDomain as default } from "${domain}";`);
});
afterAll(() => stack.disposeAsync());

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

const written = { out: "", err: "" };

beforeEach(() => {
  vi.stubEnv("DATABASE_URL", login);
  vi.stubEnv("QUARTET_ALLOW_PRIVATE", "127.0.0.1");
  vi.stubEnv("QUARTET_SECRET", `whsec_${Buffer.alloc(32, 1).toString("base64")}`);
  // A command that ends leaves its supervisor, which here is the runner of the tests.
  vi.spyOn(process, "disconnect").mockReturnValue(undefined);
  const write = (to: "out" | "err", end: string) => (text: unknown) => {
    written[to] += `${text}${end}`;
    return true;
  };
  vi.spyOn(console, "log").mockImplementation(write("out", "\n"));
  vi.spyOn(console, "error").mockImplementation(write("err", "\n"));
  vi.spyOn(process.stdout, "write").mockImplementation(write("out", ""));
  vi.spyOn(process.stderr, "write").mockImplementation(write("err", ""));
});
afterEach(async () => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  await database.query(
    "truncate quartet.subscription, quartet.delivery_cursor, quartet.delivery_parked, quartet.dead_letter",
  );
});

/** Runs a command in this process. */
async function quartet(...args: string[]): Promise<Ran> {
  const before = process.exitCode;
  process.exitCode = 0;
  Object.assign(written, { out: "", err: "" });
  try {
    await main(["node", "quartet", "--project", project, ...args]);
    return { code: Number(process.exitCode), ...written };
  } finally {
    process.exitCode = before;
  }
}

async function create(...more: string[]): Promise<Ran> {
  return quartet("subscriptions", "create", "hook", "--endpoint", "http://127.0.0.1:9/", ...more);
}

async function bury(count: number): Promise<void> {
  await create();
  await runTransaction(database.pool, async (client) => {
    const writer = new TableWriter<typeof DeadLetterSchema>(
      tableOf(DeadLetterSchema),
      client,
      systemRegistry,
    );
    for (let at = 1; at <= count; at++) {
      await writer.insert({
        deadLetterId: `letter-${at}`,
        subscription: "hook",
        sequence: BigInt(at),
        eventId: crypto.randomUUID(),
        eventType: "shop.v1.OrderPlaced",
        eventKey: `key\u001b[2J-${at}`,
        eventData: `{"at":${at}}`,
        lastStatus: 500,
        lastAnswer: "no\u001b[31m\nway",
        deadTime: timestampFromDate(new Date(Date.UTC(2026, 0, 1, 0, at))),
      });
    }
  });
}

describe("subscriptions", () => {
  test("are created, shown, listed, changed, paused, resumed and deleted", async () => {
    expect((await quartet("subscriptions", "list")).out).toMatch(/^no subscriptions/);
    expect(await quartet("subscriptions", "list", "--json")).toEqual({ code: 0, out: "", err: "" });
    const created = await create("--rate", "5", "--from", "beginning", "--json");
    expect(JSON.parse(created.out)).toMatchObject({ subscription: { name: "hook", rate: 5 }, head: "10" });
    expect(created.out.trim().split("\n")).toHaveLength(1);
    const listed = await quartet("subscriptions", "list");
    expect(listed.out).toMatch(
      /^NAME +ENDPOINT +STATE +BEHIND +PARKED +DEAD +HELD BY\nhook .* live +10 \(\d+ s\) +0 +0 +–\n$/,
    );
    const updated = await quartet("subscriptions", "update", "hook", "--rate", "0", "--json");
    expect(JSON.parse(updated.out).subscription.rate).toBeUndefined();
    const paused = await quartet("subscriptions", "pause", "hook", "--reason", "holidays", "--json");
    expect(JSON.parse(paused.out).subscription).toMatchObject({ paused: true, pauseReason: "holidays" });
    expect((await quartet("subscriptions", "list")).out).toContain("paused: holidays");
    expect((await quartet("subscriptions", "resume", "hook")).code).toBe(0);
    expect(
      JSON.parse((await quartet("subscriptions", "show", "hook")).out).subscription.paused,
    ).toBeUndefined();
    expect(await quartet("subscriptions", "delete", "hook")).toEqual({
      code: 0,
      out: "hook is deleted\n",
      err: "",
    });
  });

  test("have secrets, which are printed alone", async () => {
    await create();
    const [secret = ""] = (await quartet("subscriptions", "secrets", "hook")).out.split("\n");
    expect(secret).toMatch(/^whsec_/);
    const rotated = await quartet("subscriptions", "rotate-secret", "hook", "--overlap", "1h");
    expect(rotated.out.split("\n")).toEqual([expect.stringMatching(/^whsec_/), secret, ""]);
    vi.stubEnv("QUARTET_SECRET", "");
    const unknown = await quartet("subscriptions", "secrets", "hook");
    expect([unknown.code, unknown.err]).toEqual([2, expect.stringContaining("QUARTET_SECRET")]);
  });

  test("are replayed", async () => {
    await create();
    const told = await quartet("replay", "hook", "--from", "4", "--until", "6");
    expect(told.out).toMatch(/^hook~[0-9a-f]{8} replays 3 events of the log/);
    const json = await quartet("replay", "hook", "--from", "1h", "--rate", "2", "--json");
    expect(JSON.parse(json.out).subscription).toMatchObject({
      replayOf: "hook",
      rate: 2,
      untilSequence: "10",
    });
  });
});

describe("dead letters", () => {
  test("are listed without what a terminal would act on, and shown", async () => {
    expect(await quartet("dead-letters", "list")).toEqual({ code: 0, out: "no dead letters\n", err: "" });
    await bury(3);
    const listed = await quartet("dead-letters", "list", "--limit", "2", "--status", "500");
    expect(listed.out.split("\n").slice(1, -1)).toEqual([
      expect.stringMatching(/^letter-3 .* key \[2J-3 .* no \[31m way$/),
      expect.stringMatching(/^letter-2/),
    ]);
    expect(listed.err).toContain("more than 2");
    const lines = (await quartet("dead-letters", "list", "--json")).out.trim().split("\n");
    expect(lines.map((line) => JSON.parse(line).deadLetterId)).toEqual(["letter-3", "letter-2", "letter-1"]);
    const shown = JSON.parse((await quartet("dead-letters", "show", "letter-2")).out);
    expect(shown.eventData).toEqual({ at: 2 });
  });

  test("are given back and discarded by their ids", async () => {
    await bury(5);
    const redriven = await quartet("dead-letters", "redrive", "letter-1", "letter-3", "letter-1");
    expect(redriven).toMatchObject({ code: 0, out: "2 redriven\n" });
    const discarded = await quartet("dead-letters", "discard", "letter-2");
    expect(discarded).toMatchObject({ code: 0, out: "1 discarded\n" });
    const again = await quartet("dead-letters", "discard", "letter-2");
    expect([again.code, again.err]).toEqual([1, expect.stringContaining("no dead letter letter-2")]);
  });

  test("are given back and discarded by filter, and all of them", async () => {
    await bury(5);
    const some = await quartet("dead-letters", "redrive", "--after", "2026-01-01T00:04:00Z", "--rate", "200");
    expect(some).toMatchObject({ code: 0, out: "2 redriven\n" });
    expect(await quartet("dead-letters", "discard", "--all")).toMatchObject({
      code: 0,
      out: "3 discarded\n",
    });
    expect(await quartet("dead-letters", "redrive", "--all")).toMatchObject({ code: 0, out: "0 redriven\n" });
  });

  test("a slow redrive tells how far it is, and ends at once when it is stopped, and not well", async () => {
    await bury(4);
    const running = quartet("dead-letters", "redrive", "--all", "--rate", "0.01");
    const left = async () => (await database.query("select from quartet.dead_letter")).length;
    await expect.poll(left).toBe(3);
    // Its own alone: the runner of the tests listens too.
    process.listeners("SIGINT").at(-1)?.("SIGINT");
    expect(await running).toMatchObject({
      code: 130,
      out: "1 redriven\n",
      err: expect.stringContaining("stopped"),
    });
    expect(await left()).toBe(3);
  });
});

describe("what cannot be done says why, and what mends it", () => {
  test.each<[args: string[], code: number, says: RegExp]>([
    [["subscriptions", "show", "nobody"], 1, /no subscription nobody[\s\S]*subscriptions list/],
    [["subscriptions", "create", "a//b", "--endpoint", "class:micro"], 2, /name is "a\/\/b"/],
    [["subscriptions", "create", "x", "--endpoint", "ftp://x"], 2, /endpoint/],
    [["subscriptions", "create", "x"], 2, /--endpoint/],
    [["subscriptions", "create", "x", "--endpoint", "http://10.0.0.1"], 2, /10\.0\.0\.1 is private/],
    [["operations", "callback-secret", "nowhere"], 2, /http\(s\) URL/],
    [["operations", "list"], 2, /QUARTET_GATEWAY_URL/],
    [["subscriptions", "create", "x", "--endpoint", "class:micro", "--from", "11"], 2, /^$/],
    [["subscriptions", "create", "y", "--endpoint", "class:micro", "--from", "99"], 2, /sequences 1 to 10/],
    [["subscriptions", "update", "hook"], 2, /Nothing says what[\s\S]*--help/],
    [["subscriptions", "update", "hook", "--timeout", "0s"], 2, /delivery.timeout/],
    [["subscriptions", "rotate-secret", "hook", "--overlap", "40d"], 2, /overlap/],
    [["subscriptions"], 2, /Commands:/],
    [["subscriptions", "unheard"], 2, /unknown command/],
    [["dead-letters", "redrive"], 2, /Nothing says which[\s\S]*--all/],
    [["dead-letters", "discard"], 2, /Nothing says which[\s\S]*--all/],
    [["dead-letters", "redrive", "a", "--all"], 2, /not both[\s\S]*Leave out/],
    [["dead-letters", "list", "--limit", "0"], 2, /--limit/],
    [["dead-letters", "list", "--status", "99"], 2, /--status/],
    [["dead-letters", "list", "--after", "999999999d"], 2, /--after/],
    [["dead-letters", "show", "unheard"], 1, /no dead letter unheard/],
    [["replay", "hook"], 2, /--from/],
    [["replay", "hook", "--from", "11"], 2, /there are none/],
    [["replay", "nobody", "--from", "1"], 1, /no subscription nobody/],
  ])("%j", async (args, code, says) => {
    await create();
    const ran = await quartet(...args);
    const expected = says.source === "^$" ? 0 : code;
    expect([ran.code, ran.err.includes("    at ")], ran.err).toEqual([expected, false]);
    expect(ran.err).toMatch(says);
  });

  test("a declared subscription is not deleted", async () => {
    await database.query(
      'insert into quartet.subscription (pb) values (\'{"name":"intents","declared":true}\')',
    );
    const ran = await quartet("subscriptions", "delete", "intents");
    expect([ran.code, ran.err]).toEqual([2, expect.stringContaining("declared by code")]);
  });

  test.each<[title: string, url: () => string, code: number, says: RegExp]>([
    [
      "no server",
      () => "postgres://x:y@127.0.0.1:1/x",
      1,
      /cannot be reached: .*ECONNREFUSED[\s\S]*DATABASE_URL/,
    ],
    ["no server of a name", () => "postgres://x:y@localhost:1/x", 1, /ECONNREFUSED[\s\S]*DATABASE_URL/],
    ["no such database", () => login.replace(/\/[^/]*$/, "/unheard"), 2, /refuses this login: .*unheard/],
    ["no such login", () => login.replace("//relay:", "//nobody:"), 2, /refuses this login[\s\S]*Check user/],
    ["a database without Quartet", () => database.url().replace(/\/[^/]*$/, "/postgres"), 2, /quartet apply/],
    ["a login without rights", () => database.url("stranger"), 2, /permission denied[\s\S]*relay's login/],
    ["no URL", () => "nonsense", 2, /DATABASE_URL is not a URL/],
  ])("%s", async (_title, url, code, says) => {
    const client = await database.connect();
    await client.query("drop role if exists stranger");
    await client.query("create role stranger login password 'of a test, it''s'");
    vi.stubEnv("DATABASE_URL", url());
    for (const args of [
      ["subscriptions", "list"],
      ["dead-letters", "list"],
      ["replay", "hook", "--from", "1"],
    ]) {
      const ran = await quartet(...args);
      expect([ran.code, ran.out, ran.err.includes("    at ")], ran.err).toEqual([code, "", false]);
      expect(ran.err).toMatch(says);
    }
  });
});
