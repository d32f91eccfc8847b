import { once } from "node:events";
import { connect, createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { doorDomain, openDoor, openStranger, sendRaw } from "../../gateway/test-door.ts";
import { createApp } from "../create-app.ts";
import { openListener } from "../listen.ts";
import { type OpenRuntime, openRuntime } from "../open-runtime.ts";
import { createGrpcHandler } from "./guard-grpc.ts";

const stack = new AsyncDisposableStack();
let lambda: OpenRuntime;
let ports: Record<"class" | "gateway", number>;

beforeAll(async () => {
  lambda = stack.use(
    await openRuntime({
      ...{ domain: doorDomain, databaseUrl: undefined, eventsDatabaseUrl: undefined },
      ...{ upstreams: { crud: [], micro: [], nano: [], lambda: [] }, secret: Buffer.alloc(32) },
      ...{ maxConnections: 1, expected: undefined, allowSurplus: false, log: pino({ level: "silent" }) },
    }),
  );
  const app = createApp(lambda, { pushSecrets: [], isReady: async () => true });
  const { port } = stack.use(await openListener(app, 0, "127.0.0.1"));
  const { url } = stack.use(await openStranger((_, response) => void response.end()));
  const gateway = stack.use(await openDoor({ crud: [url] }));
  ports = { class: port, gateway: gateway.port };
});
afterAll(() => stack.disposeAsync());

const inFlight = () => lambda.describeLoad()["inFlight"];

test.each([
  ["REST", "class", "/v1/computes/a"],
  ["Connect", "class", "/door.v1.Things/Compute"],
  ["a gateway", "gateway", "/v1/things"],
] as const)("a body that does not come in time is answered, over %s", async (_, process, path) => {
  const head = [`POST ${path} HTTP/1.1`, "Connect-Timeout-Ms: 200", "Content-Type: application/json"];
  const answer = await sendRaw(ports[process], [...head, "Content-Length: 9"], "{");
  expect(answer).toMatch(/^HTTP\/1.1 504 .*\r\nConnection: close\r\n.*"deadline_exceeded"/s);
  expect(inFlight()).toBe(0);
});

test("and over gRPC, whose stream is closed with it, so that its place is free", async () => {
  const server = createServer(createGrpcHandler(lambda)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const call = client.request({
    ...{ ":method": "POST", ":path": "/door.v1.Things/Compute" },
    ...{ "content-type": "application/grpc", te: "trailers", "grpc-timeout": "200m" },
  });
  call.write(Buffer.from([0, 0, 0, 0, 9, 1]));
  call.resume();
  const [head] = await once(call, "response");
  expect(head["grpc-status"]).toBe("4");
  await once(call, "close");
  expect(inFlight()).toBe(0);
  client.close();
  server.close();
});

test("the platform's own endpoints answer to their very names alone", async () => {
  for (const path of [
    "/_QUARTET/whoami",
    "/_quartet/whoami/",
    "/_Quartet/flags",
    "/_quartet/LOAD",
    "/LIVEZ",
  ]) {
    const answer = await fetch(`http://127.0.0.1:${ports.class}${path}`);
    expect(answer.status, path).toBeGreaterThanOrEqual(400);
  }
});
