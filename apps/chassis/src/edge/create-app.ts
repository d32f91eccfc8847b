import type { IncomingMessage, ServerResponse } from "node:http";
import express, { type Express, type NextFunction, type Request, type Response } from "express";
import type { Runtime } from "../command/runtime.ts";
import { toQuartetError } from "../error/problem.ts";
import { QuartetError } from "../error/quartet-error.ts";
import { translateDatabaseError } from "../sql/translate-error.ts";
import type { WebhookSecret } from "../wire/webhook/webhook-signature.ts";
import { createConnectHandler } from "./connect-routes.ts";
import { defaultTimeoutMs } from "./deadline.ts";
import { answerFlags, flagsPath } from "./flags-endpoint.ts";
import { answerInbox, inboxPath } from "./inbox-endpoint.ts";
import { metricsPath } from "./metrics/metrics-page.ts";
import { noteMatches } from "./metrics/note-matches.ts";
import { nameRequest } from "./metrics/request-metrics.ts";
import type { OpenRuntime } from "./open-runtime.ts";
import { answerOperations, operationPath } from "./operations-endpoint.ts";
import { guardRequest } from "./overload/guard-request.ts";
import { laneOf } from "./overload/lane-of.ts";
import { limitBody, refuseBody } from "./overload/limit-body.ts";
import { answerRest, createRestRoutes } from "./rest-routes.ts";
import { sendProblem } from "./send-problem.ts";

/** What the edge needs beside the runtime. */
export interface AppSettings {
  /** Secrets that pushes to the inbox may be signed with. */
  readonly pushSecrets: readonly WebhookSecret[];
  /** False from the moment the process begins to stop. */
  readonly isReady: () => Promise<boolean>;
}

/**
 * The HTTP surface of a class: health, metrics, whoami, flags and load, which are answered whatever the load; then, as
 * places and deadlines allow, inbox, operations, RPC and REST, in this order. An Express 5 app, so that a domain's own
 * middleware can be mounted before it.
 */
export function createApp(runtime: OpenRuntime, settings: AppSettings): Express {
  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");
  // Else what a gateway does not forward would be answered under names that it takes for others'.
  app.enable("case sensitive routing");
  app.enable("strict routing");
  app.use((_request, response, next) => {
    response.setHeader("Quartet-Class", runtime.found.serviceClass);
    next();
  });
  mountHealth(app, settings);
  app.get("/_quartet/whoami", (_request, response) => {
    response.json(describeProcess(runtime));
  });
  app.get(metricsPath, (_request, response) => runtime.metrics.answer(response));
  app.get(flagsPath, (request, response) => answerFlags(runtime.flags, request, response));
  app.get("/_quartet/load", (_request, response) => {
    response.json(runtime.describeLoad());
  });
  app.use((request: Request, response: Response, next: NextFunction) => {
    runtime.metrics.requests.count(response);
    const settings = {
      admission: runtime.admission,
      lane: laneOf(runtime.domain, request),
      defaultTimeoutMs: defaultTimeoutMs[runtime.serviceClass],
    };
    guardRequest(settings, request.headers, response).then((deadlineMs) => {
      limitBody(request, deadlineMs, (error) => refuseBody(response, error));
      next();
    }, next);
  });
  app.use(
    (request: Request, response: Response, next: NextFunction) =>
      void route(runtime, settings, request, response, next),
  );
  mountSurfaces(app, runtime);
  app.use((error: unknown, _request: Request, response: Response, _next: NextFunction) => {
    answerError(runtime, response, error);
  });
  return app;
}

/** `GET /_quartet/whoami`. */
export function describeProcess(runtime: OpenRuntime) {
  const { serviceClass, reasons, surplus } = runtime.found;
  return {
    class: serviceClass,
    domain: runtime.domain.name,
    reasons,
    surplus: surplus.map((fault) => fault.what),
    pid: process.pid,
    statementBudgets: runtime.statementBudgets,
  };
}

function mountHealth(app: Express, settings: AppSettings): void {
  // Never touches the database: a database that is away is no reason to restart the process.
  app.get("/livez", (_request, response) => void response.type("text").send("ok\n"));
  app.get("/readyz", async (_request, response) => {
    const ready = await settings.isReady();
    response
      .status(ready ? 200 : 503)
      .type("text")
      .send(ready ? "ok\n" : "not ready\n");
  });
}

/** The platform's own endpoints; all else goes on to the domain's surfaces. */
async function route(
  runtime: Runtime,
  settings: AppSettings,
  request: IncomingMessage & { readonly path: string },
  response: ServerResponse,
  next: NextFunction,
): Promise<void> {
  try {
    const operation = operationPath.exec(request.path);
    if (request.path === inboxPath) {
      nameRequest(response, "inbox");
      await answerInbox(runtime, settings.pushSecrets, request, response);
    } else if (operation !== null) {
      nameRequest(response, "operations");
      await answerOperations(runtime, request, response, operation[1]);
    } else next();
  } catch (error) {
    next(error);
  }
}

function mountSurfaces(app: Express, runtime: Runtime): void {
  const connect = createConnectHandler(runtime);
  const routes = createRestRoutes(runtime.domain);
  app.use((request, response, next) => {
    const name = request.path.slice(1);
    if (runtime.domain.methods.has(name)) {
      nameRequest(response, name);
      connect(request, response);
    } else answerRest(runtime, noteMatches(routes, response), request, response).catch(next);
  });
}

function answerError(runtime: Runtime, response: ServerResponse, thrown: unknown): void {
  const error = isBadUrl(thrown)
    ? new QuartetError("invalid_argument", "The path has a malformed escape.", { cause: thrown })
    : toQuartetError(translateDatabaseError(thrown));
  if (error.code === "internal") runtime.log.error({ err: error.cause ?? error }, "a request failed");
  sendProblem(response, error);
}

function isBadUrl(thrown: unknown): boolean {
  return (
    thrown instanceof URIError || (thrown instanceof TypeError && thrown.message.includes("Invalid URL"))
  );
}
