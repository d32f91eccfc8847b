import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { applySchema } from "../../apply/apply-schema.ts";
import { createTestLogin, testDomain } from "../../apply/test-domain.ts";
import {
  openTestServer,
  type TestDatabase,
  type TestServer,
  testPassword,
} from "../../cluster/postgres/test-database.ts";
import { fillLog } from "../subscription/test-log.ts";
import { examineDeployment } from "./examine-deployment.ts";
import type { Finding } from "./finding.ts";

let server: TestServer;
let database: TestDatabase;

beforeAll(async () => {
  server = await openTestServer();
  database = await openDeployment();
  await createTestLogin(database, "quartet_relay", "relay");
  await database.query(`create role stranger login password '${testPassword.replace("'", "''")}'`);
  await database.query("create role stagehand login in role quartet_relay password 'x'");
  await database.query(`alter role stagehand password '${testPassword.replace("'", "''")}'`);
});
afterAll(() => server[Symbol.asyncDispose]());

async function openDeployment(): Promise<TestDatabase> {
  const opened = await server.openDatabase();
  await applySchema(testDomain, { databaseUrl: opened.url(), eventsDatabaseUrl: opened.url() });
  return opened;
}

const examine = (databaseUrl: string, eventsDatabaseUrl = databaseUrl) =>
  examineDeployment("test", { databaseUrl, eventsDatabaseUrl });

const failures = (findings: readonly Finding[]) => findings.filter(({ level }) => level === "failure");
const about = (findings: readonly Finding[], part: string) =>
  findings.filter((finding) => finding.part === part).map(({ what }) => what);

test("of a deployment before its first relay, what lacks is the relay alone", async () => {
  const findings = await examine(database.url("relay"));
  expect(failures(findings)).toEqual([
    { level: "failure", part: "relay", what: "no relay process lives", fix: "quartet relay" },
  ]);
  expect(about(findings, "main")).toEqual(
    expect.arrayContaining([
      "no relay has captured this outbox yet",
      expect.stringContaining("monthly partitions"),
    ]),
  );
});

test("subscriptions, dead letters and leases are told of, each with what to look at", async () => {
  const other = await openDeployment();
  await fillLog(other, 10);
  await other.query(
    `insert into quartet.subscription (pb) values ('{"name":"hook","endpoint":"http://x.example"}'), ('{"name":"idle","paused":true}')`,
  );
  await other.query(
    "insert into quartet.delivery_cursor (subscription, seq, lease_epoch) values ('hook', 4, 1), ('idle', 4, 1)",
  );
  await other.query(
    `insert into quartet.dead_letter (pb) values ('{"deadLetterId":"1","subscription":"gone"}')`,
  );
  await other.query("insert into quartet.relay_process (process) values ('p')");
  await other.query(
    "insert into quartet.relay_lease (name) values ('subscription/hook'), ('subscription/idle')",
  );
  const findings = await examine(other.url("relay"));
  expect(failures(findings)).toEqual([]);
  expect(about(findings, "subscription hook")).toEqual([
    expect.stringMatching(/^6 events and \d+ s behind, 0 parked$/),
  ]);
  expect(about(findings, "subscription idle")).toEqual(["is paused, 6 events behind"]);
  expect(about(findings, "subscription gone")).toEqual(["1 dead letters"]);
  expect(about(findings, "relay")).toEqual(["1 process lives, and nobody does: subscription/hook"]);
  expect(about(findings, "log")).toEqual([expect.stringContaining("10 events")]);
});

test("a publication that is gone is a failure, and the rest is told too", async () => {
  const other = await openDeployment();
  const [publication] = await other.query<{ pubname: string }>("select pubname from pg_publication");
  await other.query(`drop publication ${publication?.pubname}`);
  const findings = await examine(other.url("relay"));
  expect(failures(findings)).toContainEqual(
    expect.objectContaining({
      part: "main",
      what: "the outbox' publication is missing",
      fix: "quartet apply",
    }),
  );
  expect(about(findings, "main")).toContainEqual(expect.stringContaining("monthly partitions"));
});

describe("what cannot be examined is told once, with what mends it", () => {
  test("tables that an older build did not make", async () => {
    const older = await openDeployment();
    await older.query("drop table quartet.event_log_capture, quartet.event_log_delayed cascade");
    const findings = await examine(older.url("relay"));
    expect(failures(findings).map(({ part, fix }) => [part, fix?.slice(0, 13)])).toEqual([
      ["main", "quartet apply"],
      ["events", "quartet apply"],
    ]);
    expect(about(findings, "main")).toContainEqual(expect.stringContaining("monthly partitions"));
  });

  test("a database without Quartet", async () => {
    const empty = await server.openDatabase();
    const findings = await examine(empty.url("relay"));
    expect(failures(findings).length).toBeGreaterThan(1);
    for (const { what, fix } of failures(findings)) expect(fix, what).toMatch(/^quartet apply/);
  });

  test("a login without rights", async () => {
    const findings = failures(await examine(database.url("stranger")));
    expect(findings.length).toBeGreaterThan(0);
    for (const { what, fix } of findings)
      expect([what, fix]).toEqual([
        expect.stringContaining("permission denied"),
        expect.stringContaining("relay's login"),
      ]);
  });

  test("a login that may not replicate", async () => {
    const findings = await examine(database.url("stagehand"));
    expect(findings).toContainEqual(
      expect.objectContaining({
        level: "warning",
        what: expect.stringContaining("stagehand has not REPLICATION"),
      }),
    );
    expect(JSON.stringify(await examine(database.url("relay")))).not.toContain("has not REPLICATION");
  });

  test.each<[title: string, url: () => string, says: RegExp, fix: RegExp]>([
    ["a server that is away", () => "postgres://x:y@127.0.0.1:1/x", /ECONNREFUSED/, /servers run/],
    ["one of several addresses", () => "postgres://x:y@localhost:1/x", /ECONNREFUSED/, /servers run/],
    [
      "a wrong password",
      () => database.url("relay").replace(/:[^:@/]*@/, ":wrong@"),
      /password|auth/,
      /Check user/,
    ],
    [
      "a database that there is not",
      () => database.url("relay").replace(/\/[^/]*$/, "/unheard"),
      /unheard/,
      /Check user/,
    ],
  ])("%s", async (_title, url, says, fix) => {
    const findings = await examine(url());
    expect(findings.map(({ level, part }) => [level, part])).toEqual([
      ["failure", "main"],
      ["failure", "events"],
    ]);
    for (const finding of findings) {
      expect(finding.what).toMatch(says);
      expect(finding.fix).toMatch(fix);
    }
  });

  test("an events database that is away, where the main one is not", async () => {
    const findings = await examine(database.url("relay"), "postgres://x:y@127.0.0.1:1/x");
    expect(about(findings, "main")).toContainEqual(expect.stringContaining("monthly partitions"));
    expect(about(findings, "events")).toEqual([expect.stringContaining("ECONNREFUSED")]);
  });
});
