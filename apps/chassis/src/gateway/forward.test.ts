import { afterEach, describe, expect, test } from "vitest";
import { formatPosition } from "../position/position.ts";
import { openDoor, openStranger, sendRaw } from "./test-door.ts";

let stack = new AsyncDisposableStack();
afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

const stranger = async (answer: Parameters<typeof openStranger>[0]) => stack.use(await openStranger(answer));
const door = async (...settings: Parameters<typeof openDoor>) => stack.use(await openDoor(...settings));
const at = (lsn: number) => formatPosition({ systemId: "1", timeline: 1, lsn: BigInt(lsn) });

describe("a gateway sends again", () => {
  test("a command with its key alone, whatever Connection names", async () => {
    const crud = await stranger(
      (_, response) => void response.writeHead(crud.seen.length < 3 ? 503 : 200).end(),
    );
    const { port } = await door({ crud: [crud.url] });
    const head = ["POST /v1/things HTTP/1.1", "Idempotency-Key: k", "Authorization: a", "X-Own: o"];
    await sendRaw(port, [
      ...head,
      "Connection: close, idempotency-key, Authorization, x-own",
      "Content-Length: 0",
    ]);
    const sent = crud.seen.map(({ headers }) => [
      headers["idempotency-key"],
      headers.authorization,
      headers["x-own"],
    ]);
    expect(sent).toEqual(Array.from({ length: 3 }, () => ["k", "a", undefined]));
  });

  test("less and less often to a class that is away", async () => {
    const crud = await stranger((_, response) => void response.writeHead(503).end());
    const { url } = await door({ crud: [crud.url] });
    const answer = await fetch(`${url}/v1/things`, { headers: { "connect-timeout-ms": "1500" } });
    expect(answer.status).toBe(503);
    expect(crud.seen.length).toBeGreaterThan(3);
    expect(crud.seen.length).toBeLessThan(12);
  });

  test("a command without a key when a replica was behind, since nothing was begun", async () => {
    const micro = await stranger((_, response) => {
      response.writeHead(503, { "quartet-replayed": at(1) }).end();
    });
    const crud = await stranger((_, response) => void response.end("{}"));
    const { url } = await door({ micro: [micro.url], crud: [crud.url] });
    const answer = await fetch(`${url}/v1/decisions`, {
      method: "POST",
      headers: { "quartet-position": at(5) },
    });
    expect([answer.status, micro.seen.length, crud.seen.length]).toEqual([200, 1, 1]);
  });
});

test("clients that wait for operations keep nobody else from their process", async () => {
  const crud = await stranger((request, response) => {
    if (!request.url?.startsWith("/operations")) response.end("{}");
  });
  const { url } = await door({ crud: [crud.url] });
  const gone = new AbortController();
  const waiting = Array.from({ length: 140 }, (_, at) =>
    fetch(`${url}/operations/${at}`, { headers: { prefer: "wait=60" }, signal: gone.signal }).catch(
      () => undefined,
    ),
  );
  await expect.poll(() => crud.seen.length, { timeout: 10_000 }).toBe(140);
  const answer = await fetch(`${url}/v1/things`, { headers: { "connect-timeout-ms": "3000" } });
  expect(answer.status).toBe(200);
  gone.abort();
  await Promise.all(waiting);
});

test("a cookie of a place that is in nobody's past is gone with the next read", async () => {
  const crud = await stranger((_, response) => void response.setHeader("Quartet-Position", at(40)).end("{}"));
  const { url } = await door({ crud: [crud.url] }, "seen");
  const send = (method: string) =>
    fetch(`${url}/v1/things`, { method, headers: { cookie: `seen.1=${at(2 ** 40)}` } });
  expect((await send("POST")).headers.getSetCookie()).toEqual([]);
  const kept = (await send("GET")).headers.getSetCookie();
  expect(crud.seen.map(({ headers }) => headers["quartet-position"])).toEqual([at(2 ** 40), at(2 ** 40)]);
  expect(kept[0]).toContain(`=${at(40)};`);
  expect(kept[1]).toMatch(/^seen\.1=;.*Max-Age=0$/);
});

describe("a request target", () => {
  const ask = async (target: string, verb = "GET") => {
    const crud = await stranger((_, response) => void response.end());
    const { port } = await door({ crud: [crud.url] });
    const answer = await sendRaw(port, [
      `${verb} ${target} HTTP/1.1`,
      "Connection: close",
      "Content-Length: 0",
    ]);
    return [Number(answer.slice(9, 12)), crud.seen[0]?.url];
  };

  test.each([
    ["/v1/things?a=../b&c=%2e", "/v1/things?a=../b&c=%2e"],
    ["http://other.example/v1/things?a=b", "/v1/things?a=b"],
    ["/v1/things/%2f%5c%23", "/v1/things/%2f%5c%23"],
    ["/v1/things/..a", "/v1/things/..a"],
  ])("%s goes on as %s", async (target, origin) => {
    expect(await ask(target)).toEqual([200, origin]);
  });

  test.each([
    "/v1/things/a\\..\\..\\things",
    "/v1/things/%2E.",
    "/v1/things/../things",
    "/./_quartet/whoami",
    "/v1/things/a#b",
    "http://other.example/v1/x/../things",
  ])("%s, which a class reads in another way, is refused", async (target) => {
    expect(await ask(target)).toEqual([400, undefined]);
  });

  test.each([
    "//v1/things",
    "/v1//things",
    "/_quartet/whoami",
    "/_quartet/inbox",
    "*",
    "http://other.example",
  ])("%s has no route", async (target) => {
    expect(await ask(target)).toEqual([404, undefined]);
  });
});

test.each([
  ["two lengths of a body", ["Content-Length: 1", "Content-Length: 2"]],
  ["a length and chunks", ["Content-Length: 1", "Transfer-Encoding: chunked"]],
  ["a coding that nobody knows", ["Transfer-Encoding: xchunked"]],
  ["a space behind a name", ["Idempotency-Key : k"]],
])("%s is refused before anything goes on", async (_, lines) => {
  const crud = await stranger((_, response) => void response.end());
  const { port } = await door({ crud: [crud.url] });
  expect(await sendRaw(port, ["POST /v1/things HTTP/1.1", "Connection: close", ...lines])).toMatch(
    /^HTTP\/1.1 400 /,
  );
  expect(crud.seen).toEqual([]);
});
