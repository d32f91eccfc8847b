import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestFolder } from "../cluster/postgres/test-folder.ts";
import { createApp } from "../edge/create-app.ts";
import { openListener } from "../edge/listen.ts";
import { type Exposition, namesInAlerts, pageWhen, scrape } from "../edge/metrics/test-exposition.ts";
import { type OpenRuntime, openRuntime, type RuntimeSettings } from "../edge/open-runtime.ts";
import { createGuardedDomain } from "../edge/test-guarded-domain.ts";
import { ClassUpstreams } from "../edge/upstream/class-upstreams.ts";
import { QuartetError } from "../error/quartet-error.ts";
import { fileFlags } from "../flags/file-flags.ts";
import { FlagBook } from "../flags/flag-book.ts";
import { flagSaying } from "../flags/test-flags.ts";
import { openFlagWatch } from "../flags/watch-flags.ts";
import type { LooseMessage } from "../schema/test-schema.ts";
import { createGateway } from "./open-gateway.ts";
import { createRoutes } from "./routes.ts";

const compute = "guarded.v1.Things/Compute";
const { domain } = createGuardedDomain(({ text }: LooseMessage) => {
  if (text === "refused") throw new QuartetError("failed_precondition", "Refused.");
});
const none = { crud: [], micro: [], nano: [], lambda: [] };
const log = pino({ level: "silent" });
const stack = new AsyncDisposableStack();
/** Nobody listens there. */
const deadUrl = "http://127.0.0.1:9";
let flagsFile: string;
let lambda: { readonly runtime: OpenRuntime; readonly url: string };
let gateway: string;

beforeAll(async () => {
  flagsFile = join(stack.use(await openTestFolder()).path, "flags.json");
  await writeFile(flagsFile, flagSaying("guarded.v1.Things/Read", "strong"));
  lambda = await open({ flagsFile });
  gateway = await openGateway([lambda.url, deadUrl], undefined);
});
afterAll(() => stack.disposeAsync());

/** A process of the lambda class. */
async function open(settings: Partial<RuntimeSettings>): Promise<typeof lambda> {
  const runtime = stack.use(
    await openRuntime({
      ...{ domain, databaseUrl: undefined, eventsDatabaseUrl: undefined, upstreams: none },
      ...{ secret: Buffer.alloc(32), maxConnections: 2, expected: "lambda", allowSurplus: false },
      ...{ log, ...settings },
    }),
  );
  return {
    runtime,
    url: await listen(createApp(runtime, { pushSecrets: [], isReady: async () => true })),
  };
}

async function openGateway(lambdas: readonly string[], adminToken: string | undefined): Promise<string> {
  const upstreams = stack.use(new ClassUpstreams({ ...none, lambda: lambdas }));
  const flags = new FlagBook(domain.methods, fileFlags(flagsFile));
  stack.use(await openFlagWatch({ book: flags, log, everyMs: 50 }));
  const routes = createRoutes(domain, new Map(), flags);
  return listen(createGateway({ routes, flags, adminToken }, upstreams, log));
}

async function listen(handler: Parameters<typeof openListener>[0]): Promise<string> {
  return `http://127.0.0.1:${stack.use(await openListener(handler, 0, "127.0.0.1")).port}`;
}

async function call(url: string, text: string, method = compute): Promise<number> {
  const answer = await fetch(`${url}/${method}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ text }),
  });
  await answer.text();
  return answer.status;
}

test("a gateway counts requests by class and end, and its tries by upstream", async () => {
  for (let sent = 0; sent < 20; sent++) expect(await call(gateway, "tea")).toBe(200);
  expect(await call(gateway, "refused")).toBe(400);
  expect(await call(gateway, "tea", "guarded.v1.Things/Nothing")).toBe(404);
  const requests = "quartet_gateway_requests_total";
  const page = await pageWhen(
    gateway,
    (each) => each.value(requests, { class: "none", status: "404" }) === 1,
  );
  expect(page.seriesOf(requests)).toEqual({
    '{class="lambda",status="200"}': 20,
    '{class="lambda",status="400"}': 1,
    '{class="none",status="404"}': 1,
  });
  const dead = { class: "lambda", upstream: "127.0.0.1:9" };
  const attempts = (status: string, upstream: string) =>
    page.value("quartet_gateway_attempts_total", { class: "lambda", upstream, status });
  const unreachable = attempts("unreachable", dead.upstream) ?? 0;
  expect(unreachable).toBeGreaterThan(0);
  expect(attempts("200", new URL(lambda.url).host)).toBe(20);
  expect(page.value("quartet_gateway_retries_total", { class: "lambda" })).toBe(unreachable);
  expect(page.value("quartet_upstream_up", { class: "lambda", upstream: new URL(lambda.url).host })).toBe(1);
  const counted = { class: "lambda" };
  expect(page.value("quartet_gateway_request_duration_seconds_count", counted)).toBe(21);
  expect(namesInAlerts("quartet-gateway").filter((name) => !page.types.has(name))).toEqual([]);
});

test("a gateway tells its metrics to its operators alone, and never a class' own", async () => {
  expect((await fetch(`${gateway}/metrics`, { headers: { "x-forwarded-for": "192.0.2.1" } })).status).toBe(
    403,
  );
  const guarded = await openGateway([lambda.url], "secret");
  const answer = await fetch(`${guarded}/metrics`);
  expect([answer.status, answer.headers.get("www-authenticate")]).toEqual([401, "Bearer"]);
  const page = await scrape(guarded, { authorization: "Bearer secret" });
  expect(page.types.has("quartet_gateway_requests_total")).toBe(true);
  expect(page.types.has("quartet_requests_total")).toBe(false);
});

test("a flags file that goes bad raises the alarm of class and gateway, until it is mended", async () => {
  const malformed = (page: Exposition) => page.value("quartet_flags_alarms", { kind: "malformed" });
  for (const url of [lambda.url, gateway]) {
    const page = await scrape(url);
    expect([malformed(page), page.value("quartet_flags")]).toEqual([0, 1]);
  }
  await writeFile(flagsFile, "{ flags: ");
  for (const url of [lambda.url, gateway]) {
    const page = await pageWhen(url, (each) => malformed(each) === 1);
    // The flags of before count on.
    expect(page.value("quartet_flags")).toBe(1);
    const [read = 0, changed = 0] = ["read", "changed"].map((what) =>
      page.value(`quartet_flags_${what}_timestamp_seconds`),
    );
    expect(read).toBeGreaterThan(changed);
  }
  await writeFile(flagsFile, flagSaying("guarded.v1.Things/Read", "eventual"));
  for (const url of [lambda.url, gateway]) await pageWhen(url, (each) => malformed(each) === 0);
});

test("the breaker of an upstream that fails is seen to open, and its class' retries to be used up", async () => {
  const { port, close } = await openFaulty();
  stack.defer(close);
  const { runtime, url } = await open({ upstreams: { ...none, lambda: [`http://127.0.0.1:${port}`] } });
  const upstream = { class: "lambda", upstream: `127.0.0.1:${port}` };
  const breaker = (page: Exposition) =>
    ["closed", "half-open", "open"].map((state) =>
      page.value("quartet_upstream_breaker", { ...upstream, state }),
    );
  expect(breaker(await scrape(url))).toEqual([1, 0, 0]);
  const method = domain.methods.get(compute);
  if (method === undefined) throw new Error("the domain has no such method");
  const context = { principal: "", deadlineMs: Date.now() + 5_000, signal: new AbortController().signal };
  for (let sent = 0; sent < 4; sent++) {
    await runtime.callDown(method, create(method.desc.input), context as never).catch(() => undefined);
  }
  const page = await pageWhen(url, (each) => breaker(each)[2] === 1);
  expect(breaker(page)).toEqual([0, 0, 1]);
  const ofMethod = { ...upstream, method: compute, state: "open" };
  expect(page.value("quartet_upstream_method_breaker", ofMethod)).toBe(1);
  expect(page.value("quartet_upstream_retry_tokens", { class: "lambda" })).toBeLessThan(10);
});

/** Answers that it cannot now. */
async function openFaulty(): Promise<{ readonly port: number; readonly close: () => PromiseLike<void> }> {
  const listener = await openListener((_request, response) => response.writeHead(503).end(), 0, "127.0.0.1");
  return { port: listener.port, close: () => listener[Symbol.asyncDispose]() };
}
