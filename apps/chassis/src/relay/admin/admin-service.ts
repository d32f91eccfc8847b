import type { IncomingMessage, ServerResponse } from "node:http";
import {
  create,
  type DescMessage,
  type DescMethod,
  type DescService,
  type Message,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import { parseJsonBody, readBody } from "../../edge/read-body.ts";
import { requestSignal } from "../../edge/request-signal.ts";
import { decodeRequest } from "../../edge/rest/decode-request.ts";
import { createRouteTable, type RouteTable } from "../../edge/rest/route-table.ts";
import { encodeJson } from "../../schema/json/json.ts";
import { httpBindings } from "../../schema/method.ts";
import { systemRegistry } from "../../schema/system-registry.ts";

/** Implementations of a service's methods, by their local names. The signal aborts when the client goes. */
export type AdminHandlers<S extends DescService> = {
  readonly [Name in keyof S["method"]]: S["method"][Name] extends {
    input: infer I extends DescMessage;
    output: infer O extends DescMessage;
  }
    ? (request: MessageShape<I>, signal: AbortSignal) => Promise<MessageInitShape<O>>
    : never;
};

/** A service of the relay with its implementation. */
export interface AdminService {
  readonly desc: DescService;
  readonly handlers: Readonly<Record<string, AdminHandler>>;
}

type AdminHandler = (request: Message, signal: AbortSignal) => Promise<unknown>;

interface AdminMethod {
  readonly desc: DescMethod;
  readonly handler: AdminHandler;
}

export type AdminRoutes = RouteTable<AdminMethod>;

/** Longest time that one request may take, such as a redrive at a low rate. */
const longestMs = 600_000;

export function adminService<S extends DescService>(desc: S, handlers: AdminHandlers<S>): AdminService {
  // The mapped type ties each handler to its method's messages; at run time they are looked up by name.
  return { desc, handlers: handlers as unknown as Readonly<Record<string, AdminHandler>> };
}

/** The REST routes of the relay's services, by `google.api.http`. */
export function createAdminRoutes(services: readonly AdminService[]): AdminRoutes {
  return createRouteTable(
    services.flatMap(({ desc: service, handlers }) =>
      service.methods.flatMap((desc) => {
        const handler = handlers[desc.localName];
        if (handler === undefined) throw new TypeError(`${desc.name} has no handler`);
        return httpBindings(desc).map((binding) => ({
          rule: { ...binding, responseBody: "" },
          input: desc.input,
          target: { desc, handler },
        }));
      }),
    ),
  );
}

/** Answers one request with the method's message as ProtoJSON. Throws what `sendProblem` makes an answer of. */
export async function answerAdmin(
  routes: AdminRoutes,
  url: URL,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const match = routes.match(request.method ?? "GET", url.pathname);
  const body = parseJsonBody(await readBody(request), request.headers["content-type"]);
  const message = decodeRequest(match, url.searchParams, body, systemRegistry);
  const { desc, handler } = match.route.target;
  const answer = await handler(message, requestSignal(response, Date.now() + longestMs));
  const output = create(desc.output, answer as MessageInitShape<typeof desc.output>);
  response.writeHead(200, { "Content-Type": "application/json" });
  response.end(JSON.stringify(encodeJson(desc.output, output, systemRegistry)));
}
