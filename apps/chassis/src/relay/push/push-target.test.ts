import { describe, expect, test, vi } from "vitest";
import { ClassUpstreams } from "../../edge/upstream/class-upstreams.ts";
import { ContentMode } from "../../gen/quartet/v1/options_pb.ts";
import { pushEvents } from "./push-events.ts";
import { isWell, resolveTarget } from "./push-target.ts";
import { http, openTestEndpoint } from "./test-endpoint.ts";
import { anywhere, testEvent, testSettings, testSubscription } from "./test-push.ts";

const urls = { crud: [], micro: [], nano: [], lambda: [] };

describe("resolveTarget", () => {
  test.each(["", "crud", "class:monolith", "ftp://x", "javascript:alert(1)", "/hook", "class:crud "])(
    "%j is no endpoint",
    async (endpoint) => {
      await using upstreams = new ClassUpstreams(urls);
      expect(() => resolveTarget(testSubscription({ endpoint }), upstreams, anywhere)).toThrow(
        expect.objectContaining({ code: "invalid_argument" }),
      );
    },
  );

  test("a URL with credentials is refused, and they are not repeated", async () => {
    await using upstreams = new ClassUpstreams(urls);
    const resolve = () =>
      resolveTarget(testSubscription({ endpoint: "https://me:hush@x.example/a" }), upstreams, anywhere);
    expect(resolve).toThrow(expect.objectContaining({ message: expect.not.stringContaining("hush") }));
  });

  test("a class is its processes, in turn; one that the environment does not name is the crud class", async () => {
    const named = { ...urls, crud: ["http://crud:1"], lambda: ["http://a:1", "http://b:2/"] };
    await using upstreams = new ClassUpstreams(named);
    await using lambda = resolveTarget(testSubscription({ endpoint: "class:lambda" }), upstreams, anywhere);
    const places = [1, 2, 3].map(() => lambda.next()?.url);
    expect(new Set(places)).toEqual(new Set(["http://a:1/_quartet/inbox", "http://b:2/_quartet/inbox"]));
    await using micro = resolveTarget(testSubscription({ endpoint: "class:micro" }), upstreams, anywhere);
    expect([micro.own, micro.next()?.url]).toEqual([true, "http://crud:1/_quartet/inbox"]);
  });

  test("strangers get binary mode and classes of ours structured, unless the subscription says otherwise", async () => {
    await using upstreams = new ClassUpstreams(urls);
    const mode = (endpoint: string, asked: ContentMode) => {
      return resolveTarget(testSubscription({ endpoint, mode: asked }), upstreams, anywhere).mode;
    };
    const { UNSPECIFIED, BINARY, STRUCTURED, BATCH } = ContentMode;
    const all = [UNSPECIFIED, BINARY, STRUCTURED, BATCH];
    expect(all.map((asked) => mode("https://x.example", asked))).toEqual([
      "binary",
      "binary",
      "structured",
      "batch",
    ]);
    expect(all.map((asked) => mode("class:crud", asked))).toEqual([
      "structured",
      "structured",
      "structured",
      "batch",
    ]);
  });
});

test("what one subscription learns of a process, the others know", async () => {
  const dead = await openTestEndpoint(() => undefined);
  await dead[Symbol.asyncDispose]();
  await using alive = await openTestEndpoint((socket) => void socket.write(http(204)));
  await using upstreams = new ClassUpstreams({ ...urls, crud: [dead.url, alive.url] });
  const subscription = testSubscription({ endpoint: "class:crud" });
  await using first = resolveTarget(subscription, upstreams, anywhere);
  await using second = resolveTarget(
    testSubscription({ endpoint: "class:crud", name: "other" }),
    upstreams,
    anywhere,
  );
  const events = [{ event: testEvent(), attempt: 1 }];
  const push = () => pushEvents(first, testSettings, { subscription, events, timeoutMs: 2_000 }, undefined);
  await Promise.all([push(), push()]);
  const crud = upstreams.of("crud");
  expect(crud.upstreams.map(({ failures }) => failures)).toEqual([1, 0]);
  const [refusing] = crud.upstreams;
  if (refusing === undefined) throw new Error("no upstream");
  crud.markDown(refusing, performance.now(), 60_000);
  expect([1, 2, 3, 4].map(() => second.next()?.url)).toEqual(Array(4).fill(`${alive.url}/_quartet/inbox`));
});

test("disposing a target closes its connections", async () => {
  await using endpoint = await openTestEndpoint((socket) => void socket.write(http(204)));
  await using upstreams = new ClassUpstreams(urls);
  const subscription = testSubscription({ endpoint: endpoint.url });
  const target = resolveTarget(subscription, upstreams, anywhere);
  const events = [{ event: testEvent(), attempt: 1 }];
  await pushEvents(target, testSettings, { subscription, events, timeoutMs: 2_000 }, undefined);
  expect(endpoint.open).toBe(1);
  await target[Symbol.asyncDispose]();
  await vi.waitFor(() => expect(endpoint.open).toBe(0));
});

describe("isWell", () => {
  test("a class of ours is well when it says so", async () => {
    let status = 200;
    await using endpoint = await openTestEndpoint((socket) => void socket.write(http(status)));
    await using upstreams = new ClassUpstreams({ ...urls, crud: [endpoint.url] });
    await using target = resolveTarget(testSubscription({ endpoint: "class:crud" }), upstreams, anywhere);
    expect(await isWell(target)).toBe(true);
    status = 503;
    expect(await isWell(target)).toBe(false);
    expect(endpoint.requests[0]?.line).toBe("GET /readyz HTTP/1.1");
  });

  test("can be asked while all pushes hang", async () => {
    await using endpoint = await openTestEndpoint((socket, { line }) => {
      if (line.startsWith("GET")) socket.write(http(200));
    });
    await using upstreams = new ClassUpstreams({ ...urls, crud: [endpoint.url] });
    const subscription = testSubscription({ endpoint: "class:crud", concurrency: 1 });
    await using target = resolveTarget(subscription, upstreams, anywhere);
    const events = [{ event: testEvent(), attempt: 1 }];
    const stop = new AbortController();
    const hanging = pushEvents(
      target,
      testSettings,
      { subscription, events, timeoutMs: 60_000 },
      stop.signal,
    );
    await vi.waitFor(() => expect(endpoint.requests).toHaveLength(1));
    expect(await isWell(target)).toBe(true);
    stop.abort();
    await hanging;
  });

  test("of a stranger nothing is known but its answers; a class of no process is not well", async () => {
    await using upstreams = new ClassUpstreams(urls);
    await using stranger = resolveTarget(
      testSubscription({ endpoint: "http://127.0.0.1:1" }),
      upstreams,
      anywhere,
    );
    await using nobody = resolveTarget(testSubscription({ endpoint: "class:crud" }), upstreams, anywhere);
    expect([await isWell(stranger), await isWell(nobody)]).toEqual([true, false]);
  });
});
