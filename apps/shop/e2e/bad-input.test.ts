import { connect, type Socket } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Cluster, openCluster } from "./open-cluster.ts";
import { pollUntil } from "./poll-until.ts";
import { type Answer, type SentRequest, send } from "./send-request.ts";
import { offerProduct } from "./shop-client.ts";

let cluster: Cluster;
let sku: string;
let pids: Record<string, number>;

beforeAll(async () => {
  cluster = await openCluster();
  sku = await offerProduct(cluster.door);
  pids = await readPids();
});

/** Whatever a client sends, no process ends, and all are ready. */
afterEach(async () => {
  expect(await readPids()).toEqual(pids);
  for (const name of ["gateway", "crud", "micro", "nano", "lambda"]) {
    expect((await send("GET", `${cluster.url(name)}/readyz`)).status, name).toBe(200);
  }
});

afterAll(() => cluster?.[Symbol.asyncDispose]());

async function readPids(): Promise<Record<string, number>> {
  return Object.fromEntries((await cluster.table()).map(({ name, pid }) => [name, pid]));
}

interface BadRequest extends SentRequest {
  readonly what: string;
  readonly verb?: string;
  readonly path?: string;
  readonly status: number;
  readonly code?: string;
  readonly field?: string;
  readonly headersBack?: Record<string, string>;
}

const json = { "content-type": "application/json" };
const order = { customer: "ada", sku: "a", quantity: 1 };
const invalid = { status: 400, code: "invalid_argument" };
const malformed = { status: 400, code: "malformed_body" };
const deep = (depth: number) => "[".repeat(depth) + "]".repeat(depth);

const badRequests: readonly BadRequest[] = [
  { what: "JSON that is cut off", body: '{"customer": "ada', ...malformed },
  { what: "JSON with a comment", body: "{} // no", ...malformed },
  { what: "JSON with a trailing comma", body: '{"customer":"ada",}', ...malformed },
  { what: "two JSON values", body: "{} {}", ...malformed },
  { what: "NaN", body: '{"quantity": NaN}', ...malformed },
  { what: "bytes that are not UTF-8", body: Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), ...malformed },
  {
    what: "an overlong UTF-8 sequence",
    body: Buffer.from('{"customer":"\xc0\x80"}', "latin1"),
    ...malformed,
  },
  { what: "UTF-16", body: Buffer.from("{}", "utf16le"), ...malformed },
  { what: "an array", json: [], ...malformed },
  { what: "a string", json: "order", ...malformed },
  { what: "a number", json: 1, ...malformed },
  { what: "null", json: null, ...malformed },
  {
    what: "a form",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: "a=b",
    status: 415,
    code: "unsupported_media_type",
    field: "Content-Type",
  },
  {
    what: "text/plain",
    headers: { "content-type": "text/plain" },
    body: "{}",
    status: 415,
    code: "unsupported_media_type",
  },
  {
    what: "a body without a type",
    headers: { "content-type": "" },
    body: "{}",
    status: 415,
    code: "unsupported_media_type",
  },
  { what: "an unknown field", json: { ...order, colour: "red" }, ...invalid, field: "colour" },
  {
    what: "a key __proto__",
    body: '{"customer":"ada","__proto__":{"quantity":1}}',
    ...invalid,
    field: "__proto__",
  },
  {
    what: "a key constructor",
    body: '{"constructor":{"prototype":{"a":1}}}',
    ...invalid,
    field: "constructor",
  },
  { what: "an empty key", body: '{"":1}', ...invalid },
  { what: "a string for a number", json: { ...order, quantity: "many" }, ...invalid, field: "quantity" },
  { what: "a fraction for an integer", json: { ...order, quantity: 1.5 }, ...invalid, field: "quantity" },
  { what: "an int32 out of range", json: { ...order, quantity: 2 ** 31 }, ...invalid, field: "quantity" },
  { what: "a number for a string", json: { ...order, customer: 7 }, ...invalid, field: "customer" },
  { what: "an object for a string", json: { ...order, customer: {} }, ...invalid, field: "customer" },
  { what: "a boolean for a number", json: { ...order, quantity: true }, ...invalid, field: "quantity" },
  { what: "a number beyond a double", body: '{"quantity":1e999}', ...invalid, field: "quantity" },
  {
    what: "a wrong type deep inside",
    verb: "PUT",
    path: "/v1/products/a",
    json: { dimensions: { lengthMm: "long" } },
    ...invalid,
    field: "dimensions.lengthMm",
  },
  {
    what: "an unknown field deep inside",
    verb: "PUT",
    path: "/v1/products/a",
    json: { dimensions: { depthMm: 1 } },
    ...invalid,
    field: "dimensions.depthMm",
  },
  {
    what: "a fault in a list",
    path: "/v1/parcels:pack",
    json: { items: [{}, { quantity: "x" }] },
    ...invalid,
    field: "items[1].quantity",
  },
  {
    what: "an int64 out of range",
    path: "/v1/stock/a:adjust",
    json: { delta: "9223372036854775808" },
    ...invalid,
    field: "delta",
  },
  {
    what: "an int64 that is no number",
    path: "/v1/stock/a:adjust",
    json: { delta: "12abc" },
    ...invalid,
    field: "delta",
  },
  { what: "U+0000 in a string", json: { ...order, customer: "a\u0000b" }, ...invalid, field: "customer" },
  {
    what: "half a surrogate pair",
    body: '{"customer":"\\ud800","sku":"a","quantity":1}',
    ...invalid,
    field: "customer",
  },
  { what: "U+0000 in the path", verb: "PUT", path: "/v1/products/a%00b", json: {}, ...invalid, field: "sku" },
  { what: "lists nested 100 000 deep", body: `{"customer":${deep(100_000)}}`, status: 400 },
  {
    what: "objects nested 50 000 deep",
    body: `${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}`,
    status: 400,
  },
  { what: "an array nested 400 000 deep", body: deep(400_000), status: 400 },
  {
    what: "an empty path variable",
    verb: "PUT",
    path: "/v1/products/",
    json: {},
    status: 404,
    code: "no_such_route",
  },
  {
    what: "an empty path variable with a suffix",
    path: "/v1/stock/:adjust",
    json: { delta: "1" },
    status: 405,
    code: "method_not_allowed",
  },
  {
    what: "a malformed escape in the path",
    verb: "PUT",
    path: "/v1/products/%zz",
    json: {},
    ...invalid,
    field: "sku",
  },
  {
    what: "an escape that is cut off",
    verb: "PUT",
    path: "/v1/products/a%2",
    json: {},
    ...invalid,
    field: "sku",
  },
  {
    what: "an escape that is not UTF-8",
    verb: "PUT",
    path: "/v1/products/%ff",
    json: {},
    ...invalid,
    field: "sku",
  },
  { what: "an unknown route", verb: "GET", path: "/v2/nothing", status: 404, code: "no_such_route" },
  { what: "the root", verb: "GET", path: "/", status: 404, code: "no_such_route" },
  { what: "an unknown RPC", path: "/shop.v1.Orders/DropAll", json: {}, status: 404, code: "no_such_route" },
  {
    what: "a wrong method",
    verb: "DELETE",
    path: "/v1/orders",
    status: 405,
    code: "method_not_allowed",
    headersBack: { allow: "GET, HEAD, POST" },
  },
  {
    what: "OPTIONS",
    verb: "OPTIONS",
    path: "/v1/products/a",
    status: 405,
    code: "method_not_allowed",
    headersBack: { allow: "GET, HEAD, PUT" },
  },
  {
    what: "a made-up method",
    verb: "PROPFIND",
    path: "/v1/products/a",
    status: 405,
    code: "method_not_allowed",
  },
  {
    what: "a POST to an operation",
    path: "/operations/abc",
    json: {},
    status: 405,
    code: "method_not_allowed",
    headersBack: { allow: "GET, HEAD" },
  },
  {
    what: "a Quartet-Position that is none",
    verb: "GET",
    path: "/v1/landing",
    headers: { "Quartet-Position": "junk" },
    ...invalid,
    field: "Quartet-Position",
  },
  {
    what: "an Idempotency-Key of 256 characters",
    json: order,
    headers: { "Idempotency-Key": "k".repeat(256) },
    ...invalid,
    field: "Idempotency-Key",
  },
  {
    what: "an empty Idempotency-Key",
    json: order,
    headers: { "Idempotency-Key": '""' },
    ...invalid,
    field: "Idempotency-Key",
  },
  {
    what: "an Idempotency-Key with a space",
    json: order,
    headers: { "Idempotency-Key": "a b" },
    ...invalid,
    field: "Idempotency-Key",
  },
  {
    what: "a Connect-Timeout-Ms that is no number",
    json: order,
    headers: { "Connect-Timeout-Ms": "soon" },
    ...invalid,
    field: "Connect-Timeout-Ms",
  },
  {
    what: "an unknown query parameter",
    verb: "GET",
    path: "/v1/products?colour=red",
    ...invalid,
    field: "colour",
  },
  {
    what: "a query parameter __proto__",
    verb: "GET",
    path: "/v1/products?__proto__=1",
    ...invalid,
    field: "__proto__",
  },
  {
    what: "a query parameter twice",
    verb: "GET",
    path: "/v1/products?category=a&category=b",
    ...invalid,
    field: "category",
  },
  { what: "a query parameter of a wrong type", verb: "GET", path: "/v1/products?pageSize=many", ...invalid },
  {
    what: "a page size out of range",
    verb: "GET",
    path: "/v1/products?pageSize=101",
    ...invalid,
    field: "page_size",
  },
  {
    what: "a query parameter beside a body of everything",
    path: "/v1/orders?customer=ada",
    json: {},
    ...invalid,
    field: "customer",
  },
  {
    what: "a body for a method that takes none",
    verb: "GET",
    path: "/v1/landing",
    json: { a: 1 },
    ...malformed,
  },
  {
    what: "a missing product",
    verb: "GET",
    path: "/v1/products/none",
    status: 404,
    code: "not_found",
    field: "sku",
  },
];

const expectProblem = (answer: Answer, bad: Omit<BadRequest, "what">) => {
  expect(answer.status, answer.text).toBe(bad.status);
  expect(answer.headers["content-type"]).toBe("application/problem+json");
  expect(answer.json).toMatchObject({
    type: expect.any(String),
    title: expect.any(String),
    status: bad.status,
    detail: expect.stringMatching(/\S/),
    ...(bad.code === undefined ? {} : { code: bad.code }),
    ...(bad.field === undefined ? {} : { field: bad.field }),
  });
  expect(answer.headers).toMatchObject(bad.headersBack ?? {});
  expect(answer.text.length).toBeLessThan(2_000);
};

describe.each(["gateway", "crud"])("through %s", (name) => {
  test.each(badRequests)("$what is a $status problem", async (bad) => {
    const answer = await send(bad.verb ?? "POST", cluster.url(name) + (bad.path ?? "/v1/orders"), {
      ...bad,
      headers: bad.body === undefined ? { ...bad.headers } : { ...json, ...bad.headers },
    });
    expectProblem(answer, bad);
  });

  test("a body that is declared too large is a 413 problem", async () => {
    const body = JSON.stringify({ customer: "a".repeat(1_100_000) });
    expectProblem(await send("POST", `${cluster.url(name)}/v1/orders`, { body, headers: json }), {
      status: 413,
      code: "too_large",
    });
  });

  test("a body that is far too large is a 413 problem, not a broken connection", async () => {
    const body = Buffer.alloc(20_000_000, "a");
    expectProblem(await send("POST", `${cluster.url(name)}/v1/orders`, { body, headers: json }), {
      status: 413,
      code: "too_large",
    });
  });

  test("a chunked body that grows too large is a 413 problem", async () => {
    const head =
      "POST /v1/orders HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    const chunk = `10000\r\n${"a".repeat(0x10000)}\r\n`;
    const answer = await talk(name, head + chunk.repeat(20));
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(answer).toContain("application/problem+json");
  });

  test("a body of a megabyte less a byte is read", async () => {
    const frame = JSON.stringify({ customer: "", sku: "a", quantity: 1 });
    const body = frame.replace('""', `"${"a".repeat(1_048_576 - frame.length)}"`);
    const answer = await send("POST", `${cluster.url(name)}/v1/orders`, { body, headers: json });
    expectProblem(answer, { status: 404, code: "not_found" });
  });

  test("a Quartet-Position of another system, as after a restore, is answered off the primary", async () => {
    const headers = { "Quartet-Position": "1-1-0/1" };
    const answer = await send("GET", `${cluster.url(name)}/v1/products/${sku}`, { headers });
    expect(answer.status, answer.text).toBe(200);
    expect(answer.headers["quartet-class"]).toBe("crud");
    const nano = await send("GET", `${cluster.url("nano")}/v1/products/${sku}`, { headers });
    expectProblem(nano, { status: 503, code: "stale" });
  });

  test("junk in Prefer is ignored", async () => {
    for (const prefer of [
      "junk",
      "wait=soon",
      "respond-async=maybe;x",
      ",,,",
      "wait=99999999",
      "handling=lenient",
    ]) {
      const answer = await send("GET", `${cluster.url(name)}/v1/products/${sku}`, {
        headers: { Prefer: prefer },
      });
      expect(answer.status, prefer).toBe(200);
    }
  });

  test("HEAD is a GET without the body", async () => {
    const answer = await send("HEAD", `${cluster.url(name)}/v1/products/${sku}`);
    expect(answer.status).toBe(200);
    expect(answer.text).toBe("");
    expect((await send("HEAD", `${cluster.url(name)}/v1/products/none`)).status).toBe(404);
  });

  test("a mode that only the gateway may set is not taken from a client of the gateway", async () => {
    const headers = { "Quartet-Mode": "async", "Quartet-Subscription": "intents" };
    const answer = await send("POST", `${cluster.door}/v1/orders`, { json: { ...order, sku }, headers });
    expect(answer.status, answer.text).toBe(200);
  });

  test.each([
    ["bad JSON", '{"orderId":', "invalid_argument"],
    ["a wrong type", '{"orderId":7}', "invalid_argument"],
    ["an array", "[]", "invalid_argument"],
    ["lists nested 100 000 deep", `{"orderId":${deep(100_000)}}`, "invalid_argument"],
    ["U+0000 in a string", '{"orderId":"a\\u0000"}', "invalid_argument"],
  ])("a Connect POST with %s is a Connect error", async (_what, body, code) => {
    const url = `${cluster.url(name)}/shop.v1.Orders/GetOrder`;
    const answer = await send("POST", url, { body, headers: json });
    expect(answer.status, answer.text).toBe(400);
    expect(answer.json).toMatchObject({ code, message: expect.any(String) });
  });

  test("a Connect POST of an unknown type is 415", async () => {
    const headers = { "content-type": "text/plain" };
    const answer = await send("POST", `${cluster.url(name)}/shop.v1.Orders/GetOrder`, {
      body: "{}",
      headers,
    });
    expect(answer.status).toBe(415);
  });

  test("a Connect GET of a query works, with junk it is a Connect error", async () => {
    const url = `${cluster.url(name)}/shop.v1.Catalog/GetProduct?connect=v1&encoding=json`;
    const right = await send("GET", `${url}&message=${encodeURIComponent(JSON.stringify({ sku }))}`);
    expect(right.status, right.text).toBe(200);
    expect(right.json).toMatchObject({ sku });
    expect((await send("GET", `${url}&message=junk`)).status).toBe(400);
    expect([400, 415]).toContain(
      (await send("GET", `${cluster.url(name)}/shop.v1.Catalog/GetProduct`)).status,
    );
  });

  test("the same field twice in JSON takes the last one, and pollutes nothing", async () => {
    const body = '{"items":[{"sku":"a","quantity":1,"quantity":2}]}';
    const answer = await send("POST", `${cluster.url(name)}/v1/parcels:pack`, { body, headers: json });
    expect(answer.status).toBe(200);
  });

  test("bytes that are no HTTP end with a 400 or a closed connection", async () => {
    for (const bytes of [
      "garbage\r\n\r\n",
      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
      "GET / HTTP/9.9\r\n\r\n",
      "GET /v1/landing HTTP/1.1\r\n\r\n",
      "POST /v1/orders HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "POST /v1/orders HTTP/1.1\r\nHost: a\r\nContent-Length: abc\r\n\r\n",
      "POST /v1/orders HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
      "POST /v1/orders HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
      `GET /${"a".repeat(100_000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
      `GET / HTTP/1.1\r\nHost: a\r\n${"X-Many: 1\r\n".repeat(5_000)}\r\n`,
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      "CONNECT example.com:443 HTTP/1.1\r\nHost: a\r\n\r\n",
      "\0".repeat(10_000),
    ]) {
      const answer = await talk(name, bytes);
      expect(answer, JSON.stringify(bytes.slice(0, 40))).toMatch(/^$|^HTTP\/1\.1 4\d\d /);
    }
  });

  test("odd request targets are answered", async () => {
    for (const target of [
      "//",
      "///",
      "*",
      "/?",
      "/%",
      "/..%2f..",
      "http://other/v1/landing",
      "/v1/landing?%",
      "/v1/landing?=",
      "/v1//landing",
      "/v1/landing/",
    ]) {
      const head = `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
      expect(await talk(name, head), target).toMatch(/^HTTP\/1\.1 (200|400|404) /);
    }
  });

  test("an upgrade is not taken", async () => {
    const head =
      "GET /v1/landing HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    expect(await talk(name, head)).toMatch(/^HTTP\/1\.1 (200|400|426) /);
  });

  test("Expect: 100-continue is answered", async () => {
    const body = '{"items":[]}';
    const head = `POST /v1/parcels:pack HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nExpect: 100-continue\r\n\r\n`;
    expect(await talk(name, head + body)).toMatch(/HTTP\/1\.1 200 /);
  });

  test("two pipelined requests get two answers", async () => {
    const one = `GET /v1/products/${sku} HTTP/1.1\r\nHost: a\r\n`;
    const answer = await talk(name, `${one}\r\n${one}Connection: close\r\n\r\n`);
    expect(answer.match(/HTTP\/1\.1 200 /g)).toHaveLength(2);
  });

  test("clients that send slowly, or go in the middle, hold up nobody", async () => {
    const head =
      "POST /v1/orders HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n";
    const slow = Array.from({ length: 200 }, () => open(name));
    for (const [at, socket] of slow.entries()) socket.write(at % 2 === 0 ? head : head.slice(0, 30));
    const answer = await send("GET", `${cluster.url(name)}/v1/products/${sku}`);
    expect(answer.status).toBe(200);
    for (const socket of slow) {
      socket.write("{");
      socket.destroy();
    }
    expect((await send("GET", `${cluster.url(name)}/v1/products/${sku}`)).status).toBe(200);
  });

  test("clients that go before their answer leave no request under way", async () => {
    const body = JSON.stringify({ ...order, sku });
    const head = `POST /v1/orders HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
    const sockets = Array.from({ length: 50 }, () => open(name));
    for (const socket of sockets) socket.write(head + body);
    for (const socket of sockets) socket.destroy();
    await pollUntil("an answer", async () => {
      const answer = await send("GET", `${cluster.url(name)}/v1/products/${sku}`);
      return answer.status === 200;
    });
  });
});

function open(name: string): Socket {
  const { hostname, port } = new URL(cluster.url(name));
  const socket = connect(Number(port), hostname);
  socket.on("error", () => undefined);
  return socket;
}

/** Sends bytes and gives what comes back until the connection ends, or rests for two seconds. */
function talk(name: string, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = open(name);
    let answer = "";
    const finish = () => {
      socket.destroy();
      resolve(answer);
    };
    socket.setEncoding("latin1");
    socket.setTimeout(2_000, finish);
    socket.on("data", (text) => {
      answer += text;
    });
    socket.on("close", finish);
    socket.on("connect", () => socket.write(bytes, "latin1"));
  });
}

describe("values that are right for the protos and odd for what is behind them", () => {
  const place = (order: object) =>
    send("POST", `${cluster.door}/v1/orders`, { json: { customer: "ada", sku, quantity: 1, ...order } });

  test("a text too large for its index is a 400 problem", async () => {
    // Of letters that do not repeat: PostgreSQL compresses before it measures.
    const customer = Array.from({ length: 2_000 }, (_, at) => (at * 7919).toString(36)).join("");
    expectProblem(await place({ customer }), { status: 400, code: "invalid_argument" });
  });

  test("a key too long for the outbox is a 400 problem", async () => {
    expectProblem(await place({ orderId: "o".repeat(256) }), { status: 400, code: "invalid_argument" });
  });

  test.each([
    ["a line break", "a\nb"],
    ["a control character", "a\u0007b"],
    ["a noncharacter", "a\uffffb"],
    ["letters of many scripts", "Ωβ字🍵é"],
    ["a percent sign and quotes", "100%\"'"],
    ["a slash and a question mark", "a/b?c#d"],
    ["only spaces", "   "],
    ["a path that leads upward", "../orders"],
  ])("an order whose id has %s is shipped, or refused with 400", async (_what, text) => {
    const orderId = `${text}-${sku.slice(-12)}`;
    const placed = await place({ orderId });
    if (placed.status !== 200) {
      expectProblem(placed, { status: 400, code: "invalid_argument" });
      return;
    }
    const url = `${cluster.door}/v1/orders/${encodeURIComponent(orderId)}`;
    await pollUntil(
      "the shipment",
      async () => (await send("GET", url)).json.status === "ORDER_STATUS_SHIPPED",
      5_000,
    );
  });

  test("a product of nearly a megabyte is stored and read", async () => {
    const product = `big-${sku}`;
    const name = "a".repeat(900_000);
    const put = await send("PUT", `${cluster.door}/v1/products/${product}`, { json: { name } });
    expect(put.status, put.text.slice(0, 300)).toBe(200);
    expect((await send("GET", `${cluster.door}/v1/products/${product}`)).json.name).toHaveLength(900_000);
  });

  test("and nothing of it became a dead letter", async () => {
    const dead = await cluster.database("events").query("select pb from quartet.dead_letter");
    expect(dead.rows).toEqual([]);
  });
});
