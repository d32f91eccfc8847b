import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { Logger } from "pino";
import { sendProblem } from "../../edge/send-problem.ts";
import { toQuartetError } from "../../error/problem.ts";
import { QuartetError } from "../../error/quartet-error.ts";
import { translateDatabaseError } from "../../sql/translate-error.ts";
import { requireAdmin } from "../../wire/http/admin-token.ts";
import { type AdminRoutes, type AdminService, answerAdmin, createAdminRoutes } from "./admin-service.ts";
import type { RelayMetrics } from "./relay-metrics.ts";

/** What the relay's listener serves. */
export interface AdminAppSettings {
  readonly services: readonly AdminService[];
  readonly metrics: RelayMetrics;
  /** Undefined: requests from this machine alone. */
  readonly token: string | undefined;
  /** Answers `/_quartet/events/…`, where data that was too large to be pushed is fetched by its reference. */
  readonly answerEventData: (url: URL, request: IncomingMessage, response: ServerResponse) => Promise<void>;
  /** True while the process lives and sees its events database. */
  readonly isReady: () => boolean;
  readonly logger: Logger;
}

const eventDataPath = "/_quartet/events/";

/**
 * The HTTP surface of a relay: health, metrics, data by reference, and the services that administer it. Health and
 * metrics need no token; data by reference has one of its own in the URL.
 */
export function createAdminApp(settings: AdminAppSettings): RequestListener {
  const routes = createAdminRoutes(settings.services);
  return (request, response) => {
    answer(settings, routes, request, response).catch((thrown: unknown) => {
      const error = toQuartetError(translateDatabaseError(thrown));
      if (error.code === "internal") settings.logger.error({ err: error.cause ?? error }, "a request failed");
      // RFC 9110, section 15.5.2.
      if (error.code === "unauthenticated" && !response.headersSent)
        response.setHeader("WWW-Authenticate", "Bearer");
      sendProblem(response, error);
    });
  };
}

async function answer(
  settings: AdminAppSettings,
  routes: AdminRoutes,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = parseTarget(request.url ?? "/");
  switch (url.pathname) {
    case "/livez":
      return sendText(response, 200, "ok\n");
    case "/readyz":
      return settings.isReady() ? sendText(response, 200, "ok\n") : sendText(response, 503, "not ready\n");
    case "/metrics":
      return sendText(response, 200, await settings.metrics.format(), settings.metrics.contentType);
  }
  if (url.pathname.startsWith(eventDataPath)) return settings.answerEventData(url, request, response);
  requireAdmin(request, settings.token);
  await answerAdmin(routes, url, request, response);
}

function parseTarget(target: string): URL {
  const base = "http://quartet.invalid";
  if (URL.canParse(target, base)) return new URL(target, base);
  throw new QuartetError("invalid_argument", "The request target is no path.");
}

function sendText(response: ServerResponse, status: number, text: string, type = "text/plain"): void {
  response.writeHead(status, { "Content-Type": type });
  response.end(text);
}
