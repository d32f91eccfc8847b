import { type JsonValue, type Message, toJsonString } from "@bufbuild/protobuf";
import { homeOf, servesKind } from "../class/service-class.ts";
import { messageOf } from "../command/answer.ts";
import { runReadOnly } from "../command/run-query.ts";
import type { Runtime } from "../command/runtime.ts";
import { isErrorCode } from "../error/error-codes.ts";
import { QuartetError } from "../error/quartet-error.ts";
import { decodeStoredJson } from "../schema/json/json.ts";
import type { CallContext } from "../service/contexts.ts";
import type { DomainMethod } from "../service/domain.ts";
import type { ClassUpstreams } from "./upstream/class-upstreams.ts";
import { isUnreachable, toUnavailable, type UpstreamPool } from "./upstream/upstream-pool.ts";

/**
 * Calls a query or compute of a lower class: over HTTP where the environment names such processes, else in this
 * process when it may serve the method itself. Both only read, so an unreachable upstream is left for the next one.
 */
export async function callDown(
  runtime: Runtime,
  upstreams: ClassUpstreams,
  method: DomainMethod,
  request: Message,
  context: CallContext,
): Promise<Message> {
  const home = homeOf(method.handler.kind);
  const pool = upstreams.of(home);
  if (!pool.isEmpty) return callOver(pool, runtime, method, request, context);
  if (method.handler.kind === "compute" || servesKind(runtime.found.serviceClass, method.handler.kind)) {
    return messageOf(await runReadOnly(runtime, method, request, context, undefined));
  }
  throw new QuartetError("unavailable", `No ${home} is configured for ${method.name}.`, {
    fix: `Set QUARTET_${home.toUpperCase()}_URLS.`,
  });
}

async function callOver(
  pool: UpstreamPool,
  runtime: Runtime,
  method: DomainMethod,
  request: Message,
  context: CallContext,
): Promise<Message> {
  const { registry } = runtime.domain;
  const body = toJsonString(method.desc.input, request as never, { registry });
  let failure: unknown;
  for (const upstream of pool.candidates()) {
    try {
      const answer = await pool.request(upstream, {
        method: "POST",
        path: `/${method.name}`,
        headers: {
          "content-type": "application/json",
          "connect-protocol-version": "1",
          "connect-timeout-ms": String(Math.max(1, context.deadlineMs - Date.now())),
        },
        body,
        signal: context.signal,
      });
      const json = (await answer.body.json()) as JsonValue;
      if (answer.statusCode !== 200) throw readConnectError(json, method.name);
      return decodeStoredJson(method.desc.output, json, registry);
    } catch (error) {
      failure = error;
      if (!isUnreachable(error)) break;
    }
  }
  if (context.signal.aborted) {
    throw new QuartetError("deadline_exceeded", `${method.name} did not answer in time.`, { cause: failure });
  }
  throw toUnavailable(failure, method.name);
}

/** A Connect error body: `{"code": …, "message": …}`; ours carry the stable code in a header-like detail. */
function readConnectError(json: JsonValue, name: string): QuartetError {
  const body = typeof json === "object" && json !== null && !Array.isArray(json) ? json : {};
  const code = String(body["code"] ?? "");
  const message = String(body["message"] ?? `${name} failed.`);
  return new QuartetError(isErrorCode(code) ? code : "internal", message);
}
