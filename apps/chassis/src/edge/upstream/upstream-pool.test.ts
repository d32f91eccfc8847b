import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, test } from "vitest";
import { isUnreachable, toUnavailable, UpstreamPool, wasNeverSent } from "./upstream-pool.ts";

/** A real HTTP server on a port of its own, or on a given one. */
async function openServer(listener: RequestListener, port = 0) {
  const server = createServer(listener).listen(port, "127.0.0.1");
  await once(server, "listening");
  const address = server.address() as AddressInfo;
  return {
    port: address.port,
    url: `http://127.0.0.1:${address.port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Answers with the server's own name. */
const named =
  (name: string): RequestListener =>
  (_, response) =>
    void response.end(name);
const get = { method: "GET", path: "/" } as const;

async function ask(pool: UpstreamPool, index = 0): Promise<string> {
  const [upstream] = pool.candidates().slice(index);
  if (upstream === undefined) throw new Error("no upstream");
  return (await pool.request(upstream, get)).body.text();
}

async function refusedPort(): Promise<number> {
  const server = await openServer(named("x"));
  await server[Symbol.asyncDispose]();
  return server.port;
}

async function failure(run: () => Promise<unknown>): Promise<unknown> {
  return run().then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe("UpstreamPool", () => {
  test("takes its upstreams in turn", async () => {
    await using a = await openServer(named("a"));
    await using b = await openServer(named("b"));
    await using pool = new UpstreamPool([a.url, `${b.url}/`]);
    const answers: string[] = [];
    for (let round = 0; round < 4; round++) answers.push(await ask(pool));
    expect(answers).toEqual(["a", "b", "a", "b"]);
  });

  test("leaves out one that refuses, and has it back with its first success", async () => {
    const port = await refusedPort();
    await using alive = await openServer(named("alive"));
    await using pool = new UpstreamPool([`http://127.0.0.1:${port}`, alive.url]);
    const [dead] = pool.upstreams;
    if (dead === undefined) throw new Error("no upstream");
    const error = await failure(() => pool.request(dead, get));
    expect([wasNeverSent(error), isUnreachable(error)]).toEqual([true, true]);
    expect(dead.failures).toBe(1);
    const now = performance.now();
    for (let round = 0; round < 4; round++) {
      expect(pool.candidates(now).map((upstream) => upstream.url)).toEqual([alive.url]);
    }
    expect(pool.candidates(dead.downUntilMs)).toHaveLength(2);
    await using _risen = await openServer(named("risen"), port);
    expect(await (await pool.request(dead, get)).body.text()).toBe("risen");
    expect(dead).toMatchObject({ failures: 0, downUntilMs: 0 });
    expect(pool.candidates()).toHaveLength(2);
  });

  test("pauses longer with each failure in a row, a second at most", async () => {
    await using pool = new UpstreamPool(["http://127.0.0.1:1"]);
    const [upstream] = pool.upstreams;
    if (upstream === undefined) throw new Error("no upstream");
    const pauses = Array.from({ length: 7 }, () => {
      pool.markDown(upstream, 0);
      return upstream.downUntilMs;
    });
    expect(pauses).toEqual([50, 100, 200, 400, 800, 1000, 1000]);
    for (let more = 0; more < 2_000; more++) pool.markDown(upstream, 0);
    expect(upstream.downUntilMs).toBe(1000);
  });

  test("offers all, as a last resort, when none answers", async () => {
    await using pool = new UpstreamPool(["http://127.0.0.1:1", "http://127.0.0.1:2"]);
    for (const upstream of pool.upstreams) pool.markDown(upstream, 1_000);
    expect(pool.candidates(1_001)).toHaveLength(2);
    expect([pool.isUp(1_001), pool.isUp(1_050)]).toEqual([false, true]);
  });

  test("counts any status as an answer", async () => {
    await using server = await openServer((_, response) => void response.writeHead(503).end());
    await using pool = new UpstreamPool([server.url]);
    const [upstream] = pool.upstreams;
    if (upstream === undefined) throw new Error("no upstream");
    expect((await pool.request(upstream, get)).statusCode).toBe(503);
    expect(upstream.failures).toBe(0);
  });

  test("leaves out one that hangs up, which may have seen the request", async () => {
    await using server = await openServer((request) => request.socket.destroy());
    await using pool = new UpstreamPool([server.url]);
    const [upstream] = pool.upstreams;
    if (upstream === undefined) throw new Error("no upstream");
    const error = await failure(() => pool.request(upstream, { method: "POST", path: "/", body: "x" }));
    expect([wasNeverSent(error), isUnreachable(error)]).toEqual([false, true]);
    expect(upstream.failures).toBe(1);
    expect(toUnavailable(error, "The crud class")).toMatchObject({ code: "unavailable", cause: error });
  });

  test("does not blame the upstream when the caller stops waiting", async () => {
    await using server = await openServer(() => undefined);
    await using pool = new UpstreamPool([server.url]);
    const [upstream] = pool.upstreams;
    if (upstream === undefined) throw new Error("no upstream");
    const error = await failure(() => pool.request(upstream, { ...get, signal: AbortSignal.timeout(30) }));
    expect([wasNeverSent(error), isUnreachable(error)]).toEqual([false, false]);
    expect(upstream.failures).toBe(0);
  });

  test("of no upstreams is empty and down", async () => {
    await using pool = new UpstreamPool([]);
    expect([pool.isEmpty, pool.isUp(), pool.candidates()]).toEqual([true, false, []]);
  });
});
