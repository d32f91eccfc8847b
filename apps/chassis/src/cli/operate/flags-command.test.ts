import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { applySchema } from "../../apply/apply-schema.ts";
import { createTestLogin } from "../../apply/test-domain.ts";
import { openTestDatabase, type TestDatabase } from "../../cluster/postgres/test-database.ts";
import { openTestFolder } from "../../cluster/postgres/test-folder.ts";
import { flagDomain, flagSaying, makeThing } from "../../flags/test-flags.ts";
import type { RouteReport } from "../../gateway/routes-endpoint.ts";
import { main } from "../main.ts";

const stack = new AsyncDisposableStack();
let database: TestDatabase;
let folder: string;

beforeAll(async () => {
  database = stack.use(await openTestDatabase());
  await applySchema(flagDomain, { databaseUrl: database.url(), eventsDatabaseUrl: database.url() });
  folder = stack.use(await openTestFolder()).path;
  const domain = pathToFileURL(join(import.meta.dirname, "../../flags/test-flags.ts")).href;
  await writeFile(join(folder, "quartet.config.ts"), `export { flagDomain as default } from "${domain}";`);
});
afterAll(() => stack.disposeAsync());

const written = { out: "", err: "" };

beforeEach(async () => {
  const login = await createTestLogin(
    database,
    "quartet_crud",
    `crud_${Math.random().toString(36).slice(2)}`,
  );
  vi.stubEnv("DATABASE_URL", database.url(login));
  const write = (to: "out" | "err") => (text: unknown) => {
    written[to] += `${text}\n`;
  };
  vi.spyOn(console, "log").mockImplementation(write("out"));
  vi.spyOn(console, "error").mockImplementation(write("err"));
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

/** Runs a command in this process. */
async function quartet(...args: string[]) {
  const before = process.exitCode;
  process.exitCode = 0;
  Object.assign(written, { out: "", err: "" });
  try {
    await main(["node", "quartet", "--project", folder, ...args]);
    return { code: Number(process.exitCode), ...written };
  } finally {
    process.exitCode = before;
  }
}

async function file(text: string): Promise<string> {
  const path = join(folder, "flags.json");
  await writeFile(path, text);
  return path;
}

async function readRoute(): Promise<{ readonly route: unknown; readonly report: RouteReport }> {
  const { out } = await quartet("routes", "--json");
  const report = JSON.parse(out) as RouteReport;
  return { report, route: report.routes.find(({ name }) => name === makeThing) };
}

test("flags that are set are shown, and are what the routes of the database go by, until they are cleared", async () => {
  expect((await quartet("flags", "show")).out).toBe("no flags: the protos decide\n");
  const text = flagSaying(makeThing, "async");
  expect(await quartet("flags", "set", await file(text), "--author", "ada")).toMatchObject({
    code: 0,
    out: "1 flag set\n",
  });
  expect(await quartet("flags", "show")).toMatchObject({
    out: `${text}\n`,
    err: expect.stringContaining('"ada"'),
  });
  expect(JSON.parse((await quartet("flags", "show", "--json")).out)).toMatchObject({
    document: text,
    author: "ada",
  });
  expect((await readRoute()).route).toMatchObject({
    mode: "async",
    class: "micro",
    reason: expect.stringMatching(/^flag/),
  });
  expect((await quartet("flags", "clear")).code).toBe(0);
  expect((await readRoute()).route).toMatchObject({ mode: "direct", reason: "its proto" });
});

test("what is no flag definitions, or fits no method, is not written unless that is forced", async () => {
  for (const wrong of ["{", flagSaying("no.Such/Method", "async"), flagSaying(makeThing, "strong")])
    expect(await quartet("flags", "set", await file(wrong))).toMatchObject({ code: 2, out: "" });
  expect((await readRoute()).report.alarms).toEqual([]);
  expect(
    (await quartet("flags", "set", await file(flagSaying("no.Such/Method", "async")), "--force")).code,
  ).toBe(0);
  expect((await readRoute()).report.alarms).toMatchObject([{ kind: "unfit", flag: "no.Such/Method" }]);
  expect((await quartet("routes")).out).toContain("ALARM unfit: no.Such/Method: there is no such method");
  await quartet("flags", "clear");
});

test("a login that may not write them is told which may", async () => {
  vi.stubEnv("DATABASE_URL", database.url(await createTestLogin(database, "quartet_nano", "reader")));
  const refused = await quartet("flags", "set", await file(flagSaying(makeThing, "async")));
  expect(refused).toMatchObject({ code: 2, err: expect.stringContaining("crud login") });
});

test("a source that cannot be read is an alarm of the routes, which are told all the same", async () => {
  vi.stubEnv("QUARTET_FLAGS", join(folder, "nowhere.json"));
  const { report, route } = await readRoute();
  expect(route).toMatchObject({ mode: "direct" });
  expect(report.alarms).toMatchObject([{ kind: "unreadable", message: expect.stringContaining("ENOENT") }]);
});

test("a gateway that is named and does not answer fails the command", async () => {
  vi.stubEnv("QUARTET_GATEWAY_URL", "http://127.0.0.1:1");
  expect(await quartet("routes")).toMatchObject({
    code: 1,
    out: "",
    err: expect.stringContaining("does not answer"),
  });
});
