import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { create } from "@bufbuild/protobuf";
import { pino } from "pino";
import { afterEach, describe, expect, test } from "vitest";
import { pollUntil } from "../cluster/postgres/poll-until.ts";
import { QuartetError } from "../error/quartet-error.ts";
import { openRuntime } from "./open-runtime.ts";
import { createGuardedDomain, WorkSchema } from "./test-guarded-domain.ts";

const { domain } = createGuardedDomain();
let stack = new AsyncDisposableStack();
afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

/** A lambda of somebody else's, which answers as it is told, and counts. */
async function openLambda(state: { answer: RequestListener }) {
  const counted = { requests: 0 };
  const server = createServer((request, response) => {
    counted.requests += 1;
    state.answer(request, response);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  stack.defer(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { counted, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** A process that calls computes at these upstreams. */
async function openCaller(lambda: readonly string[]) {
  const runtime = stack.use(
    await openRuntime({
      ...{ domain, databaseUrl: undefined, eventsDatabaseUrl: undefined },
      ...{
        upstreams: { crud: [], micro: [], nano: [], lambda },
        secret: Buffer.alloc(32),
        maxConnections: 1,
      },
      ...{ expected: undefined, allowSurplus: false, log: pino({ level: "silent" }) },
    }),
  );
  const call = async (timeoutMs = 5_000, name = "Compute"): Promise<string> => {
    const method = domain.methods.get(`guarded.v1.Things/${name}`);
    if (method === undefined) throw new Error("no method");
    const deadlineMs = Date.now() + timeoutMs;
    const signal = AbortSignal.timeout(timeoutMs);
    const context = { deadlineMs, signal, principal: "test", call: () => ({}) as never };
    try {
      await runtime.callDown(method, create(WorkSchema), context);
      return "ok";
    } catch (error) {
      return error instanceof QuartetError ? error.code : String(error);
    }
  };
  return {
    call,
    callMany: async (count: number, name?: string) => {
      const answers: string[] = [];
      for (let at = 0; at < count; at++) answers.push(await call(undefined, name));
      return [...new Set(answers)];
    },
    breakers: () => {
      const [down] = runtime.describeLoad()["callsDown"] as readonly { upstreams: { breaker: string }[] }[];
      return down?.upstreams.map(({ breaker }) => breaker);
    },
  };
}

const well: RequestListener = (_, response) => void response.end("{}");
const failing =
  (status: number, code: string, headers: Record<string, string> = {}): RequestListener =>
  (_, response) =>
    void response.writeHead(status, headers).end(JSON.stringify({ code, message: "it says" }));

describe("calls down", () => {
  test("open the breaker of an upstream that fails, half-open it after a pause, and close it", async () => {
    const state = { answer: failing(502, "unavailable") };
    const lambda = await openLambda(state);
    const caller = await openCaller([lambda.url]);
    expect(await caller.callMany(5)).toEqual(["unavailable"]);
    expect(caller.breakers()).toEqual(["open"]);
    const { requests } = lambda.counted;
    expect(await caller.callMany(20)).toEqual(["unavailable"]);
    // Nothing was sent, as long as the first pause of half a second lasted.
    expect(lambda.counted.requests - requests).toBeLessThanOrEqual(2);
    const { promise, resolve } = Promise.withResolvers<void>();
    state.answer = (_, response) => void promise.then(() => response.end("{}"));
    const trial = pollUntil(async () => ((await caller.call()) === "ok" ? true : undefined), {
      timeoutMs: 10_000,
      intervalMs: 50,
    });
    const halfOpen = () => (caller.breakers()?.[0] === "half-open" ? true : undefined);
    expect(await pollUntil(halfOpen, { timeoutMs: 10_000, intervalMs: 10 })).toBe(true);
    // While one tries, the others do not wait for it.
    expect(await caller.call()).toBe("unavailable");
    resolve();
    expect(await trial).toBe(true);
    expect(caller.breakers()).toEqual(["closed"]);
    expect(await caller.callMany(5)).toEqual(["ok"]);
  });

  test("of a method that fails keep nobody from the upstream's other methods", async () => {
    const away = failing(503, "unavailable");
    const lambda = await openLambda({
      answer: (request, response) => (request.url?.endsWith("/Compute") ? away : well)(request, response),
    });
    const caller = await openCaller([lambda.url]);
    expect(await caller.callMany(10)).toEqual(["unavailable"]);
    const { requests } = lambda.counted;
    expect(await caller.callMany(10, "Repeat")).toEqual(["ok"]);
    expect(lambda.counted.requests - requests).toBe(10);
    expect(caller.breakers()).toEqual(["open"]);
    expect(await caller.call()).toBe("unavailable");
  });

  test("that lose their connection open the breaker of all methods", async () => {
    const lambda = await openLambda({ answer: (request) => void request.socket.destroy() });
    const caller = await openCaller([lambda.url]);
    expect(await caller.callMany(5)).toEqual(["unavailable"]);
    const { requests } = lambda.counted;
    expect(await caller.callMany(20, "Repeat")).toEqual(["unavailable"]);
    expect(lambda.counted.requests - requests).toBeLessThanOrEqual(2);
  });

  test("do not close a breaker by a trial that nobody waited for", async () => {
    const state = { answer: failing(502, "unavailable") };
    const lambda = await openLambda(state);
    const caller = await openCaller([lambda.url]);
    await caller.callMany(5);
    const { requests } = lambda.counted;
    state.answer = () => undefined; // it hangs
    const trial = async () => {
      await caller.call(40);
      return lambda.counted.requests > requests ? true : undefined;
    };
    expect(await pollUntil(trial, { timeoutMs: 10_000, intervalMs: 20 })).toBe(true);
    expect(caller.breakers()).toEqual(["open"]);
  });

  test("pass an upstream whose breaker is open: another one answers", async () => {
    const [bad, good] = [
      await openLambda({ answer: failing(502, "unavailable") }),
      await openLambda({ answer: well }),
    ];
    const caller = await openCaller([bad.url, good.url]);
    expect(await caller.callMany(40)).toEqual(["ok"]);
    expect(caller.breakers()).toEqual(["open", "closed"]);
    expect(bad.counted.requests).toBeLessThan(15);
  });

  test("are made again within a tenth of all, however many fail", async () => {
    // A process that refuses work is not called faulty for it, so its breaker stays closed, and all is up to the budget.
    const lambda = await openLambda({ answer: failing(503, "unavailable", { "quartet-shed": "1" }) });
    const caller = await openCaller([lambda.url]);
    expect(await caller.callMany(200)).toEqual(["unavailable"]);
    expect(caller.breakers()).toEqual(["closed"]);
    expect(lambda.counted.requests).toBeGreaterThan(200);
    expect(lambda.counted.requests).toBeLessThanOrEqual(200 + 10 + 20);
  });

  test("whose method fails are answers: not made again, and no fault of the upstream", async () => {
    const lambda = await openLambda({ answer: failing(404, "not_found") });
    const caller = await openCaller([lambda.url]);
    expect(await caller.callMany(30)).toEqual(["not_found"]);
    expect(lambda.counted.requests).toBe(30);
    expect(caller.breakers()).toEqual(["closed"]);
  });

  test("with no time to speak of cannot shut an upstream out for others", async () => {
    const lambda = await openLambda({
      answer: (_, response) => void setTimeout(() => response.end("{}"), 60),
    });
    const caller = await openCaller([lambda.url]);
    for (let at = 0; at < 20; at++) expect(await caller.call(10)).toBe("deadline_exceeded");
    expect(caller.breakers()).toEqual(["closed"]);
    expect(await caller.call()).toBe("ok");
  });

  test("say how much time is left, and are not made when none is", async () => {
    const told: number[] = [];
    const lambda = await openLambda({
      answer: (request, response) => {
        told.push(Number(request.headers["connect-timeout-ms"]));
        response.end("{}");
      },
    });
    const caller = await openCaller([lambda.url]);
    expect(await caller.call(400)).toBe("ok");
    expect(await caller.call(0)).toBe("deadline_exceeded");
    expect(told).toHaveLength(1);
    expect(told[0]).toBeLessThanOrEqual(400);
  });
});
