import { once } from "node:events";
import { connect, createServer, type Http2ServerResponse, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { pino } from "pino";
import { Registry } from "prom-client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { QuartetError } from "../../error/quartet-error.ts";
import type { LooseMessage } from "../../schema/test-schema.ts";
import { type OpenRuntime, openRuntime } from "../open-runtime.ts";
import { createGrpcHandler } from "../overload/guard-grpc.ts";
import { createGuardedDomain } from "../test-guarded-domain.ts";
import { countGrpc } from "./count-grpc.ts";
import { RequestMetrics } from "./request-metrics.ts";
import { type Exposition, parseExposition } from "./test-exposition.ts";

const compute = "guarded.v1.Things/Compute";
const { domain } = createGuardedDomain(({ text }: LooseMessage) => {
  if (text === "refused") throw new QuartetError("deadline_exceeded", "Too late.");
});
const stack = new AsyncDisposableStack();
let runtime: OpenRuntime;

beforeAll(async () => {
  runtime = stack.use(
    await openRuntime({
      ...{ domain, databaseUrl: undefined, eventsDatabaseUrl: undefined, secret: Buffer.alloc(32) },
      ...{ upstreams: { crud: [], micro: [], nano: [], lambda: [] }, maxConnections: 1 },
      ...{ expected: "lambda", allowSurplus: false, log: pino({ level: "silent" }) },
    }),
  );
});
afterAll(() => stack.disposeAsync());

interface CountedServer extends AsyncDisposable {
  readonly url: string;
  /** How many calls of the compute ended so. */
  count(status: string, method?: string): Promise<number>;
}

async function serve(handler: Parameters<typeof countGrpc>[2]): Promise<CountedServer> {
  const registry = new Registry();
  const metrics = new RequestMetrics(registry, { prefix: "quartet", label: "method" });
  const server = createServer(countGrpc(metrics, domain, handler));
  const sessions = new Set<ServerHttp2Session>();
  server.on("session", (session) => void sessions.add(session));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // it listens on TCP
  const read = async (): Promise<Exposition> => parseExposition(await registry.metrics());
  return {
    url: `http://127.0.0.1:${port}`,
    count: async (status, method = compute) =>
      (await read()).value("quartet_requests_total", { method, status }) ?? 0,
    [Symbol.asyncDispose]: async () => {
      for (const session of sessions) session.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test("calls are counted by method, and the HTTP status that the one of gRPC stands for", async () => {
  await using server = await serve(createGrpcHandler(runtime));
  const sessionManager = new Http2SessionManager(server.url);
  const transport = createGrpcTransport({ baseUrl: server.url, sessionManager });
  const desc = domain.methods.get(compute)?.desc.parent;
  if (desc === undefined) throw new Error("the domain has no such service");
  const client = createClient(desc, transport) as Record<string, (request: object) => Promise<unknown>>;
  for (let sent = 0; sent < 3; sent++) await client["compute"]?.({ text: "tea" });
  await expect(client["compute"]?.({ text: "refused" })).rejects.toThrow("Too late");
  await expect.poll(() => server.count("504")).toBe(1);
  expect(await server.count("200")).toBe(3);
  sessionManager.abort();
});

test("a refusal in the head counts as what it says, and a client that goes as 499", async () => {
  const { promise: came, resolve: come } = Promise.withResolvers<Http2ServerResponse>();
  await using server = await serve((request, response) => {
    if (request.url === `/${compute}`) return come(response);
    response.writeHead(200, { "content-type": "application/grpc", "grpc-status": "14" });
    response.end();
  });
  const client = connect(server.url);
  client.request({ ":method": "POST", ":path": "/no.such.Thing/Method" }).resume().end();
  await expect.poll(() => server.count("503", "none")).toBe(1);
  const call = client.request({ ":method": "POST", ":path": `/${compute}` });
  call.on("error", () => undefined);
  await came;
  call.close(8); // CANCEL
  await expect.poll(() => server.count("499")).toBe(1);
  client.destroy();
});
