import type { IncomingMessage, ServerResponse } from "node:http";
import { QuartetError } from "../error/quartet-error.ts";
import type { FlagAlarm } from "../flags/flag-alarm.ts";
import type { FlagBook } from "../flags/flag-book.ts";
import { requireAdmin } from "../wire/http/admin-token.ts";
import type { ListedRoute, Routes } from "./routes.ts";

export const routesPath = "/_quartet/routes";

/** The route table as it is now, for people and scripts. */
export interface RouteReport {
  /** Where the flags come from. */
  readonly source: string;
  readonly routes: readonly ListedRoute[];
  readonly alarms: readonly FlagAlarm[];
}

/** Every method as a request of this principal would go now, and what is wrong with the flags. */
export function reportRoutes(routes: Routes, flags: FlagBook, principal: string): RouteReport {
  // First: a flag that cannot be evaluated is found by asking it.
  const list = routes.list(principal);
  const { source, alarms } = flags.status;
  return { source, routes: list, alarms };
}

/** What the routes endpoint of a gateway works with. */
export interface RouteDesk {
  readonly routes: Routes;
  readonly flags: FlagBook;
  /** Undefined: requests from this machine alone are answered. */
  readonly adminToken: string | undefined;
}

/**
 * `GET /_quartet/routes?principal=P`: the only thing of the gateway's own beside health, and for its operators alone.
 *
 * @throws QuartetError `unauthenticated`, `permission_denied`, `method_not_allowed`
 */
export function answerRoutes(desk: RouteDesk, request: IncomingMessage, response: ServerResponse): void {
  // RFC 9110, section 15.5.2.
  if (desk.adminToken !== undefined) response.setHeader("WWW-Authenticate", "Bearer");
  requireAdmin(request, desk.adminToken);
  response.removeHeader("WWW-Authenticate");
  if (request.method !== "GET")
    throw new QuartetError("method_not_allowed", "The routes can be read only.", { allow: ["GET"] });
  const { searchParams } = new URL(request.url ?? "/", "http://quartet.invalid");
  const report = reportRoutes(desk.routes, desk.flags, searchParams.get("principal") ?? "anonymous");
  response.writeHead(200, { "Content-Type": "application/json", "Cache-Control": "no-store" });
  response.end(JSON.stringify(report));
}
