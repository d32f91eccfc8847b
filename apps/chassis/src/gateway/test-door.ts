import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { text } from "node:stream/consumers";
import { createFileRegistry, type DescService } from "@bufbuild/protobuf";
import { pino } from "pino";
import { openListener } from "../edge/listen.ts";
import { ClassUpstreams, type ClassUrls } from "../edge/upstream/class-upstreams.ts";
import { FlagBook } from "../flags/flag-book.ts";
import { MethodKind } from "../gen/quartet/v1/options_pb.ts";
import { buildTestFile, testImports } from "../schema/test-file.ts";
import { defineDomain } from "../service/domain.ts";
import { command, compute, query, service } from "../service/service.ts";
import { createGateway } from "./open-gateway.ts";
import { createRoutes } from "./routes.ts";

const file = buildTestFile("door/v1/door", {
  enums: {},
  messages: {
    Thing: { table: { name: "door.thing", key: ["id"] }, fields: { id: "string", text: "string" } },
  },
  methods: {
    // The second binding takes whatever has two segments.
    Read: { idempotent: true, http: { get: "/v1/things/{id}", additional: ["/{id}/{text}"] } },
    List: { idempotent: true, http: { get: "/v1/things" } },
    Make: { mode: 1, http: { post: "/v1/things", body: "*" } },
    Decide: { mode: 2, http: { post: "/v1/decisions", body: "*" } },
    Compute: { kind: MethodKind.COMPUTE, idempotent: true, http: { post: "/v1/computes/{id}", body: "*" } },
  },
});
const registry = createFileRegistry(file, (name) => testImports.find((known) => known.proto.name === name));
const handlers = {
  read: query(async (_, request) => request),
  list: query(async (_, request) => request),
  make: command(async (_, request) => request),
  decide: command(async (_, request) => request),
  compute: compute((request) => request),
};

/** A domain that is called over HTTP alone; its methods give back what they get. */
export const doorDomain = defineDomain({
  name: "door",
  schema: registry,
  // The file has this service, which has no types of its methods.
  services: [service(registry.getService("door.v1.Things") as DescService, handlers as never)],
  writes: [],
});

/** A process of somebody else's, which answers as it is told. */
export async function openStranger(answer: RequestListener) {
  const seen: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    seen.push(request);
    request.resume();
    answer(request, response);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    seen,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, // it listens on a port
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A gateway of the domain before these processes. */
export async function openDoor(urls: Partial<ClassUrls>, positionCookie?: string) {
  await using opening = new AsyncDisposableStack();
  const flags = new FlagBook(doorDomain.methods, undefined);
  const routes = createRoutes(doorDomain, new Map(), flags);
  const none = { crud: [], micro: [], nano: [], lambda: [] };
  const upstreams = opening.use(new ClassUpstreams({ ...none, ...urls }));
  const desk = { routes, flags, adminToken: undefined };
  const handler = createGateway(desk, upstreams, pino({ level: "silent" }), positionCookie);
  const { port } = opening.use(await openListener(handler, 0, "127.0.0.1"));
  const owned = opening.move();
  return { port, url: `http://127.0.0.1:${port}`, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Sends lines of a request as they are, and gives all that comes until the connection is closed. */
export async function sendRaw(port: number, lines: readonly string[], body = ""): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.write([...lines, "Host: door", "", body].join("\r\n"));
  return text(socket);
}
