import type { ServiceClass } from "../class/service-class.ts";
import { operationPath } from "../edge/operations-endpoint.ts";
import { createRestRoutes } from "../edge/rest-routes.ts";
import { QuartetError } from "../error/quartet-error.ts";
import { type CommandMode, defaultMode, httpBindings } from "../schema/method.ts";
import type { Domain, DomainMethod } from "../service/domain.ts";
import type { RouteExceptions } from "./exceptions.ts";

/** Where a request goes. */
export interface Route {
  /** Undefined for `/operations/…`. */
  readonly method: DomainMethod | undefined;
  readonly serviceClass: ServiceClass;
  /** Of a command. */
  readonly mode: CommandMode | undefined;
  /** Sending the same request twice does no harm. */
  readonly safe: boolean;
  /** Why it goes there, for people. */
  readonly reason: string;
}

/** The route table: which class gets a request. */
export interface Routes {
  /** @throws QuartetError `no_such_route`, `method_not_allowed` */
  find(verb: string, path: string): Route;
  /** Every method with its REST bindings, for `quartet routes`. */
  list(): readonly ListedRoute[];
}

export interface ListedRoute extends Route {
  readonly name: string;
  readonly bindings: readonly string[];
}

/**
 * Derives the route table from the protos: queries to nano, computes to lambda, commands by their mode to crud or
 * micro; exceptions win.
 *
 * @throws QuartetError `invalid_argument` for an exception that names no method, or fits it not.
 */
export function createRoutes(domain: Domain, exceptions: RouteExceptions): Routes {
  const byName = new Map(
    [...domain.methods.values()].map((method) => [method.name, routeMethod(method, exceptions)]),
  );
  for (const name of exceptions.keys()) {
    if (!byName.has(name))
      throw new QuartetError("invalid_argument", `QUARTET_EXCEPTIONS: there is no method ${name}.`);
  }
  const rest = createRestRoutes(domain);
  const find = (name: string): Route => {
    const route = byName.get(name);
    if (route === undefined) throw new QuartetError("no_such_route", `There is no method ${name}.`);
    return route;
  };
  return {
    find(verb, path) {
      if (operationPath.test(path)) return operationRoute;
      if (byName.has(path.slice(1))) return find(path.slice(1));
      if (path.startsWith("/_quartet"))
        throw new QuartetError("no_such_route", `No route for ${verb} ${path}.`);
      return find(rest.match(verb, path).route.target.name);
    },
    list: () =>
      [...domain.methods.values()].map((method) => ({
        ...find(method.name),
        name: method.name,
        bindings: httpBindings(method.desc).map(({ verb, template }) => `${verb} ${template}`),
      })),
  };
}

const operationRoute: Route = {
  method: undefined,
  serviceClass: "nano",
  mode: undefined,
  safe: true,
  reason: "operations are read",
};

function routeMethod(method: DomainMethod, exceptions: RouteExceptions): Route {
  const exception = exceptions.get(method.name);
  const { kind } = method.handler;
  if (kind !== "command") {
    if (exception?.kind === "mode") {
      throw new QuartetError(
        "invalid_argument",
        `QUARTET_EXCEPTIONS: ${method.name} is a ${kind}; it has no mode.`,
      );
    }
    const home = kind === "query" ? "nano" : "lambda";
    return exception === undefined
      ? { method, serviceClass: home, mode: undefined, safe: true, reason: `a ${kind}` }
      : { method, serviceClass: exception.serviceClass, mode: undefined, safe: true, reason: "exception" };
  }
  const mode = exception?.kind === "mode" ? exception.mode : defaultMode(method.desc);
  const home = mode === "direct" ? "crud" : "micro";
  return {
    method,
    mode,
    serviceClass: exception?.kind === "class" ? exception.serviceClass : home,
    safe: false,
    reason: exception === undefined ? `a command, ${mode} by its proto` : "exception",
  };
}
