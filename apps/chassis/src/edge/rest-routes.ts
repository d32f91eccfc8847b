import type { IncomingMessage, ServerResponse } from "node:http";
import type { Runtime } from "../command/runtime.ts";
import { httpBindings } from "../schema/method.ts";
import type { Domain, DomainMethod } from "../service/domain.ts";
import { readCallMeta } from "./call-meta.ts";
import { dispatch } from "./dispatch.ts";
import { parseJsonBody, readBody } from "./read-body.ts";
import { requestSignal } from "./request-signal.ts";
import { decodeRequest } from "./rest/decode-request.ts";
import { createRouteTable, type RouteTable } from "./rest/route-table.ts";
import { sendOutcome } from "./send-outcome.ts";
import { withinDeadline } from "./within-deadline.ts";

/** The REST routes of a domain, by `google.api.http`. */
export function createRestRoutes(domain: Domain): RouteTable<DomainMethod> {
  return createRouteTable(
    [...domain.methods.values()].flatMap((method) =>
      httpBindings(method.desc).map((binding) => ({
        rule: { ...binding, responseBody: "" },
        input: method.desc.input,
        target: method,
      })),
    ),
  );
}

/** Answers a REST request: matches, decodes, dispatches, answers. Throws what `sendProblem` makes an answer of. */
export async function answerRest(
  runtime: Runtime,
  routes: RouteTable<DomainMethod>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? "/", "http://quartet.invalid");
  const match = routes.match(request.method ?? "GET", url.pathname);
  const body = parseJsonBody(await readBody(request), request.headers["content-type"]);
  const message = decodeRequest(match, url.searchParams, body, runtime.domain.registry);
  const meta = readCallMeta(request.headers);
  const method = match.route.target;
  const signal = requestSignal(response, meta.deadlineMs);
  const outcome = await withinDeadline(meta.deadlineMs, () =>
    dispatch(runtime, method, message, meta, signal),
  );
  sendOutcome(runtime, response, method, outcome, meta);
}
