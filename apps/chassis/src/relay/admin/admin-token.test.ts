import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Listener, openListener } from "../../edge/listen.ts";
import { createAdminApp } from "./admin-app.ts";
import { createRelayMetrics } from "./relay-metrics.ts";
import { sendTo } from "./test-relay-admin.ts";

const token = "0123456789abcdef";
const stack = new AsyncDisposableStack();
let open: Listener;
let guarded: Listener;

/** A listener that has no service: whoever is let in finds no route. */
async function listen(expected: string | undefined, host: string): Promise<Listener> {
  const away = () => Promise.reject(new Error("away"));
  const app = createAdminApp({
    services: [],
    metrics: createRelayMetrics({ readGauges: away, readRetainedWal: away }),
    token: expected,
    answerEventData: away,
    isReady: () => false,
    logger: pino({ level: "silent" }),
  });
  return stack.use(await openListener(app, 0, host));
}

beforeAll(async () => {
  open = await listen(undefined, "::");
  guarded = await listen(token, "127.0.0.1");
});
afterAll(() => stack.disposeAsync());

const ask = ({ port }: Listener, headers: Readonly<Record<string, string>>) =>
  sendTo(port, "GET", "/_quartet/subscriptions", { headers });

describe("with a token", () => {
  test.each([
    ["Bearer", `Bearer ${token}`],
    ["bearer", `bearer ${token}`],
  ])("who has it is let in: %s", async (_title, authorization) => {
    expect((await ask(guarded, { authorization })).json.code).toBe("no_such_route");
  });

  test.each([
    ["nothing", {}],
    ["another", { authorization: "Bearer 0123456789abcdeF" }],
    ["the beginning of it", { authorization: "Bearer 0123456789abcde" }],
    ["more than it", { authorization: `Bearer ${token}0` }],
    ["another scheme", { authorization: `Basic ${token}` }],
    ["it in the wrong place", { cookie: token }],
  ])("who sends %s is not, this machine included", async (_title, headers) => {
    const { status, json } = await ask(guarded, headers);
    expect([status, json.code, json.field]).toEqual([401, "unauthenticated", "Authorization"]);
  });

  test("says by which scheme", async () => {
    expect((await ask(guarded, {})).headers["www-authenticate"]).toMatch(/^Bearer/);
  });
});

describe("without a token", () => {
  test.each(["localhost", "LOCALHOST:9", "127.0.0.1:80", "127.1.2.3", "[::1]:8080"])(
    "this machine is let in as %s",
    async (host) => {
      expect((await ask(open, { host })).json.code).toBe("no_such_route");
    },
  );

  test.each([
    ["a page of another site", { origin: "https://evil.example" }],
    ["a page without an origin of its own", { origin: "null" }],
    ["a name that was bound to this machine", { host: "evil.example" }],
    ["a name that looks like this machine's", { host: "127.0.0.1.evil.example" }],
    ["another such name", { host: "localhost.evil.example:80" }],
    ["whoever a proxy on this machine speaks for", { "x-forwarded-for": "203.0.113.7" }],
    ["the same by RFC 7239", { forwarded: "for=203.0.113.7" }],
    ["the same by RFC 9110", { via: "1.1 proxy" }],
    ["an image in a page of another site", { "sec-fetch-site": "cross-site" }],
  ])("%s is not", async (_title, headers) => {
    const { status, json } = await ask(open, headers);
    expect([status, json.code]).toEqual([403, "permission_denied"]);
    expect(json.fix).toContain("QUARTET_ADMIN_TOKEN");
  });
});

test("health and metrics need no token", async () => {
  for (const { port } of [open, guarded]) {
    const answers = ["/livez", "/readyz", "/metrics"].map((path) => sendTo(port, "GET", path));
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 503, 200]);
  }
});

test.each(["//", "///", "//[", "http://[", "*", "/%", "/_quartet/%ff", "/_quartet/subscriptions/\\"])(
  "the target %s has an answer",
  async (target) => {
    const { status, json } = await sendTo(open.port, "GET", target);
    expect([status, typeof json.code]).toEqual([expect.any(Number), "string"]);
    expect(status).toBeLessThan(500);
  },
);
