import type { IncomingHttpHeaders } from "node:http";
import type { Domain } from "../../service/domain.ts";
import { inboxPath } from "../inbox-endpoint.ts";
import { operationPath } from "../operations-endpoint.ts";
import type { Lane } from "./admission.ts";

/** Of a request of HTTP/1.1 or HTTP/2, what tells how it is counted. */
export interface RequestHead {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: IncomingHttpHeaders;
}

/**
 * Where a request is counted, told by its head alone: an overloaded process has no time to read more. A REST call by
 * POST counts as a command, whatever method it is of.
 */
export function laneOf(domain: Domain, { method: verb, url = "/", headers }: RequestHead): Lane {
  const path = url.split("?", 1)[0] ?? "/";
  if (path === inboxPath) return "push";
  const reads = verb === "GET" || verb === "HEAD";
  if (operationPath.test(path)) return reads ? laneOfOperation(headers) : "operation";
  const kind = domain.methods.get(path.slice(1))?.handler.kind;
  if (kind !== undefined) return kind === "command" ? "command" : "query";
  return reads ? "query" : "command";
}

/** Of who reads an operation, or waits for its end. */
export function laneOfOperation(headers: IncomingHttpHeaders): Lane {
  return String(headers["prefer"] ?? "").includes("wait") ? "waiting" : "operation";
}
