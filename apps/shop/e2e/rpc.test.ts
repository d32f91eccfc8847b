import { spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Packing } from "../src/gen/shop/v1/packing_pb.ts";

const root = join(import.meta.dirname, "..", "..", "..");
const ports = { http: await findFreePort(), grpc: await findFreePort() };
const lambda = spawn(
  process.execPath,
  [join(root, "apps/chassis/bin/quartet.js"), "--project", join(root, "apps/shop"), "start"],
  {
    env: {
      PATH: process.env["PATH"],
      PORT: String(ports.http),
      GRPC_PORT: String(ports.grpc),
      HOST: "127.0.0.1",
    },
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  },
);

beforeAll(async () => {
  await once(lambda, "message");
});
afterAll(async () => {
  lambda.kill("SIGTERM");
  await once(lambda, "exit");
});

/** A port that nobody listens on at this moment. */
async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

const items = [{ sku: "tea-1", quantity: 2, dimensions: { lengthMm: 60, widthMm: 60, heightMm: 120 } }];

test.each([
  ["gRPC on its own port", createGrpcTransport({ baseUrl: `http://127.0.0.1:${ports.grpc}` })],
  [
    "Connect by POST",
    createConnectTransport({ baseUrl: `http://127.0.0.1:${ports.http}`, httpVersion: "1.1" }),
  ],
  [
    "Connect by GET",
    createConnectTransport({
      baseUrl: `http://127.0.0.1:${ports.http}`,
      httpVersion: "1.1",
      useHttpGet: true,
    }),
  ],
])("a method answers %s", async (_name, transport) => {
  const client = createClient(Packing, transport);
  expect(await client.pack({ items })).toMatchObject({ box: "S" });
  const refused = await client.pack({ items: [{ sku: "tea-1", quantity: 0 }] }).catch(ConnectError.from);
  expect(refused).toMatchObject({ code: Code.InvalidArgument });
});
