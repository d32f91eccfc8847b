import { createHmac, randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Cluster, openCluster, shopFolder } from "./open-cluster.ts";
import { type Hook, type HookRequest, openHook } from "./open-hook.ts";
import { pollUntil } from "./poll-until.ts";
import { runQuartet } from "./run-quartet.ts";
import { send } from "./send-request.ts";
import { offerProduct, placeOrder } from "./shop-client.ts";

let cluster: Cluster;
let hook: Hook;

beforeAll(async () => {
  [cluster, hook] = await Promise.all([openCluster(), openHook()]);
});

afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  await hook?.[Symbol.asyncDispose]();
});

/** Runs a command of an operator, whose login is the relay's. */
function quartet(...args: string[]): Promise<string> {
  return runQuartet(shopFolder, args, operator());
}

function operator(): Record<string, string> {
  return {
    DATABASE_URL: cluster.loginUrl("relay"),
    EVENTS_DATABASE_URL: cluster.loginUrl("relay-events"),
    QUARTET_SECRET: cluster.secret,
    QUARTET_ALLOW_PRIVATE: "127.0.0.0/8",
  };
}

const admin = (verb: string, path: string, json?: unknown) =>
  send(verb, `${cluster.url("relay")}/_quartet/${path}`, json === undefined ? {} : { json });

async function placeOrders(count: number): Promise<string[]> {
  const sku = await offerProduct(cluster.door);
  const answers = await Promise.all(Array.from({ length: count }, () => placeOrder(cluster.door, { sku })));
  return answers.map(({ json }) => json.orderId);
}

const keysOf = (requests: readonly HookRequest[]) =>
  requests.map(({ headers }) => headers["ce-partitionkey"]);
const delivered = (requests = hook.requests) => requests.filter(({ status }) => status < 300);

/** Waits until the hook has taken an event of each of these keys. */
function taken(keys: readonly string[]) {
  return pollUntil(
    "all deliveries",
    () => {
      const got = new Set(keysOf(delivered()));
      return keys.every((key) => got.has(key));
    },
    20_000,
  );
}

function signatureOf(secret: string, { headers, body }: HookRequest): string {
  const message = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
  return createHmac("sha256", Buffer.from(secret.replace("whsec_", ""), "base64"))
    .update(message)
    .digest("base64");
}

const signs = (secret: string, request: HookRequest) =>
  String(request.headers["webhook-signature"])
    .split(" ")
    .includes(`v1,${signatureOf(secret, request)}`);

test("an outside party's subscription gets what matches it, signed with a secret that can be rotated", async () => {
  const filter = JSON.stringify({ not: { exact: { subject: "nobody" } } });
  const created = await quartet(
    ...["subscriptions", "create", "billing", "--json", "--endpoint", hook.url, "--filter", filter],
    ...["--type", "shop.v1.OrderPlaced", "--retry", "2", "--backoff-delay", "20ms"],
  );
  expect(JSON.parse(created).subscription).toMatchObject({ name: "billing", types: ["shop.v1.OrderPlaced"] });
  const keys = await placeOrders(3);
  await taken(keys);
  expect(new Set(hook.requests.map(({ headers }) => headers["ce-type"]))).toEqual(
    new Set(["shop.v1.OrderPlaced"]),
  );
  const [first] = (await quartet("subscriptions", "secrets", "billing")).trim().split("\n");
  expect(hook.requests.every((request) => signs(first ?? "", request))).toBe(true);

  const rotated = (await quartet("subscriptions", "rotate-secret", "billing")).trim().split("\n");
  expect(rotated).toEqual([expect.stringMatching(/^whsec_/), first]);
  // The row has changed: whoever delivers it takes that up within a moment.
  const push = await pollUntil("a push with the new secret", async () => {
    await taken(await placeOrders(1));
    return hook.requests.find((request) => signs(rotated[0] ?? "", request));
  });
  expect(signs(first ?? "", push)).toBe(true);
});

test("a key that fails becomes a dead letter, which is given back when its subscriber is well again", async () => {
  const [bad = "", good = ""] = await placeOrders(2).then(async (keys) => {
    await taken(keys);
    const broken = `broken-${keys[0]}`;
    hook.answer = ({ "ce-partitionkey": key }) => (key === broken ? 500 : 204);
    await placeOrder(cluster.door, { sku: await offerProduct(cluster.door), orderId: broken });
    return [broken, ...(await placeOrders(1))];
  });
  await taken([good]);
  const letter = await pollUntil("a dead letter", async () => {
    const list = await quartet(
      "dead-letters",
      "list",
      "--json",
      "--subscription",
      "billing",
      "--status",
      "500",
    );
    return list === "" ? undefined : JSON.parse(list);
  });
  expect(letter).toMatchObject({
    eventType: "shop.v1.OrderPlaced",
    eventKey: bad,
    attempts: 3,
    lastStatus: 500,
  });
  const shown = JSON.parse(await quartet("dead-letters", "show", letter.deadLetterId, "--json"));
  expect(shown.attemptLog.map(({ status }: { status: number }) => status)).toEqual([500, 500, 500]);
  const metrics = await send("GET", `${cluster.url("relay")}/metrics`);
  expect(metrics.text).toContain('quartet_dead_letters{subscription="billing"} 1');

  hook.answer = () => 204;
  expect(await quartet("dead-letters", "redrive", "--subscription", "billing", "--rate", "100")).toBe(
    "1 redriven\n",
  );
  await taken([bad]);
  expect(await quartet("dead-letters", "list")).toBe("no dead letters\n");
});

test("the same is done by HTTP, from this machine without a token", async () => {
  const paused = await admin("POST", "subscriptions/billing:pause", { reason: "holidays" });
  expect([paused.status, paused.json.subscription.pauseReason]).toEqual([200, "holidays"]);
  await pollUntil(
    "nobody delivers",
    async () => (await admin("GET", "subscriptions/billing")).json.holder === "",
  );
  const before = hook.requests.length;
  const keys = await placeOrders(2);
  const state = await pollUntil("events that wait", async () => {
    const { json } = await admin("GET", "subscriptions/billing");
    return Number(json.head) > Number(json.cursor) && json;
  });
  expect(state.subscription.paused).toBe(true);
  expect(hook.requests.length).toBe(before);
  expect((await admin("POST", "subscriptions/billing:resume", {})).status).toBe(200);
  await taken(keys);
  const changed = await admin("PATCH", "subscriptions/billing?updateMask=rate,concurrency", {
    rate: 500,
    concurrency: 4,
  });
  expect([changed.status, changed.json.subscription], changed.text).toEqual([
    200,
    expect.objectContaining({ rate: 500, concurrency: 4, endpoint: hook.url }),
  ]);
});

test.each([
  ["GET", "subscriptions/nobody", undefined, 404, "not_found"],
  ["POST", "subscriptions", { subscription: { name: "x", endpoint: "ftp://x" } }, 400, "invalid_argument"],
  [
    "POST",
    "subscriptions",
    { subscription: { name: "billing", endpoint: "http://127.0.0.1:9" } },
    409,
    "already_exists",
  ],
  ["POST", "subscriptions", { unknown: 1 }, 400, "invalid_argument"],
  ["DELETE", "subscriptions/intents", undefined, 412, "failed_precondition"],
  ["PUT", "subscriptions/billing", {}, 405, "method_not_allowed"],
  ["POST", "subscriptions/billing:replay", {}, 400, "invalid_argument"],
  ["POST", "dead-letters:discard", {}, 400, "invalid_argument"],
  ["GET", "dead-letters/unheard", undefined, 404, "not_found"],
  ["GET", "events/1?token=1.x.y", undefined, 403, "permission_denied"],
  ["GET", "elsewhere", undefined, 404, "no_such_route"],
])("%s %s is refused with a code", async (verb, path, json, status, code) => {
  const answer = await admin(verb, path, json);
  expect([answer.status, answer.json.code], answer.text).toEqual([status, code]);
});

test("a page of another site cannot have a browser administer the relay", async () => {
  const url = `${cluster.url("relay")}/_quartet/subscriptions`;
  for (const headers of [{ Origin: "https://evil.example" }, { Host: "evil.example" }]) {
    expect((await send("GET", url, { headers })).status).toBe(403);
  }
});

test("a replay delivers again what there was, marked, and is gone when it has ended", async () => {
  const before = delivered().length;
  const replay = JSON.parse(await quartet("replay", "billing", "--from", "beginning", "--json"));
  expect(replay.subscription.replayOf).toBe("billing");
  const again = await pollUntil("the end of the replay", async () => {
    const list = await quartet("subscriptions", "list", "--json");
    return !list.includes("billing~") && delivered().slice(before);
  });
  const ids = (requests: readonly HookRequest[]) => new Set(requests.map(({ headers }) => headers["ce-id"]));
  expect(ids(again)).toEqual(ids(delivered().slice(0, before)));
  expect(again.every(({ headers }) => headers["ce-quartetreplay"] === "1")).toBe(true);
  expect(again.every(({ headers }) => headers["ce-quartetsubscription"] === "billing")).toBe(true);
});

test("data too large to be pushed is fetched by its reference", async () => {
  await quartet(
    "subscriptions",
    "create",
    "small",
    "--endpoint",
    hook.url,
    "--type",
    "shop.v1.OrderPlaced",
    "--max-data",
    "1",
  );
  const [key = ""] = await placeOrders(1);
  const push = await pollUntil("a push by reference", () =>
    hook.requests.find(({ headers }) => headers["ce-quartetsubscription"] === "small"),
  );
  expect([push.body, push.headers["ce-partitionkey"]]).toEqual(["", key]);
  const data = await send("GET", decodeURIComponent(String(push.headers["ce-dataref"])));
  expect([data.status, data.json.orderId], data.text).toEqual([200, key]);
  expect(await quartet("subscriptions", "delete", "small")).toBe("small is deleted\n");
});

test("doctor finds a well deployment well, and one whose slot is gone repaired", async () => {
  const findings = async () =>
    (await quartet("doctor", "--json"))
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { level: string; part: string; what: string });
  expect((await findings()).filter(({ level }) => level === "failure")).toEqual([]);
  const primary = cluster.database("primary");
  await pollUntil("the slot is gone", async () => {
    await primary.query(
      "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = 'quartet_shop_main'",
    );
    await primary.query("select pg_drop_replication_slot('quartet_shop_main')");
    return true;
  });
  const keys = await placeOrders(3);
  await taken(keys);
  const told = await pollUntil("doctor tells of the repair", async () =>
    (await findings()).find(
      ({ part, what }) => part === "main" && /slot/.test(what) && /repaired at/.test(what),
    ),
  );
  expect(told.what).toContain("missing");
});

test("a stopped relay is found by doctor, and by the exit code", async () => {
  const stopped = await cluster.kill("relay", "SIGSTOP");
  try {
    const failure = await pollUntil("doctor notices", () =>
      quartet("doctor").then(
        () => undefined,
        (error: Error) => error.message,
      ),
    );
    expect(failure).toMatch(/ended with 1(.|\n)*FAILURE relay: no relay process lives/);
  } finally {
    process.kill(stopped, "SIGCONT");
  }
  await taken(await placeOrders(1));
});

test("a client is called back when its command has ended, in every mode and however it ended", async () => {
  await using client = await openHook();
  const callback = (path: string) => ({ "Quartet-Callback": `${client.url}${path}` });
  const sku = await offerProduct(cluster.door);
  const offloaded = await placeOrder(cluster.door, { sku }, randomUUID(), callback("/offloaded"));
  const respondAsync = { Prefer: "respond-async", ...callback("/async?of=me") };
  const accepted = await placeOrder(cluster.door, { sku }, randomUUID(), respondAsync);
  const key = randomUUID();
  const cancelNone = () =>
    send("POST", `${cluster.door}/v1/orders/none:cancel`, {
      json: {},
      headers: { "Idempotency-Key": key, ...callback("/direct") },
    });
  const refused = [await cancelNone(), await cancelNone()];
  expect([offloaded.status, accepted.status, ...refused.map(({ status }) => status)]).toEqual([
    200, 202, 404, 404,
  ]);
  await pollUntil("three callbacks", () => client.requests.length >= 3, 20_000);

  const [secret = ""] = (await quartet("operations", "callback-secret", `${client.url}/any`))
    .trim()
    .split("\n");
  expect(client.requests.every((request) => signs(secret, request))).toBe(true);
  const operations = client.requests.map(({ body }) => JSON.parse(body));
  const ofPlaced = operations.filter(({ response }) => response !== undefined);
  expect(ofPlaced.map(({ done, response }) => [done, response["@type"]])).toEqual(
    Array(2).fill([true, "type.googleapis.com/shop.v1.Order"]),
  );
  expect(ofPlaced.map(({ name }) => `/${name}`)).toContain(accepted.headers["location"]);
  // Told once, though it was asked twice.
  expect(operations.filter(({ error }) => error !== undefined)).toMatchObject([
    { done: true, error: { code: 5 } },
  ]);

  const shown = JSON.parse(
    await runQuartet(shopFolder, ["operations", "show", String(accepted.headers["location"]), "--json"], {
      ...operator(),
      QUARTET_GATEWAY_URL: cluster.door,
    }),
  );
  expect(shown.operation).toMatchObject({ done: true });
  const states = new Map<string, string[]>(
    shown.deliveries.events.map((event: { eventType: string; deliveries?: { state: string }[] }) => [
      event.eventType,
      (event.deliveries ?? []).map(({ state }) => state),
    ]),
  );
  expect([...states.keys()]).toEqual(
    expect.arrayContaining(["quartet.v1.CommandAccepted", "quartet.v1.Intent", "shop.v1.OrderPlaced"]),
  );
  expect(states.get("quartet.v1.OperationEnded")).toEqual(["DELIVERY_STATE_DELIVERED"]);
});

test("a callback that may not be made is refused before anything is done", async () => {
  const place = (url: string, key: string | undefined) =>
    placeOrder(cluster.door, { sku: "none" }, key, { "Quartet-Callback": url });
  const answers = await Promise.all([
    place("http://169.254.169.254/latest/meta-data", randomUUID()),
    place("http://[::ffff:10.0.0.1]/", randomUUID()),
    place("ftp://client.example", randomUUID()),
    place("https://me:secret@client.example", randomUUID()),
    place("https://client.example", undefined),
  ]);
  expect(answers.map(({ status, json }) => [status, json.code, json.field])).toEqual(
    Array(5).fill([400, "invalid_argument", "Quartet-Callback"]),
  );
});
