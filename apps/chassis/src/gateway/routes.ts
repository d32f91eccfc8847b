import type { ServiceClass } from "../class/service-class.ts";
import { operationPath } from "../edge/operations-endpoint.ts";
import { createRestRoutes } from "../edge/rest-routes.ts";
import { QuartetError } from "../error/quartet-error.ts";
import type { FlagBook } from "../flags/flag-book.ts";
import { type CommandMode, type Consistency, httpBindings, type MethodKind } from "../schema/method.ts";
import type { Domain, DomainMethod } from "../service/domain.ts";
import type { RouteException, RouteExceptions } from "./exceptions.ts";

/** Where a request goes. */
export interface Route {
  /** Undefined for `/operations/…`. */
  readonly method: DomainMethod | undefined;
  readonly serviceClass: ServiceClass;
  /** Of a command. */
  readonly mode: CommandMode | undefined;
  /** Of a query: `eventual` goes on without the position it came with, `strong` goes to the crud class. */
  readonly consistency: Consistency | undefined;
  /** Sending the same request twice does no harm. */
  readonly safe: boolean;
  /** Why it goes there, for people. */
  readonly reason: string;
}

/** The route table: which class gets a request. */
export interface Routes {
  /**
   * @param principal whose request it is: flags may tell principals apart
   * @throws QuartetError `no_such_route`, `method_not_allowed`
   */
  find(verb: string, path: string, principal: string): Route;
  /** Every method with its REST bindings, as a request of this principal would go now. */
  list(principal: string): readonly ListedRoute[];
}

/** A line of `quartet routes`. */
export interface ListedRoute {
  readonly name: string;
  readonly kind: MethodKind;
  /** Such as `GET /v1/orders/{order_id}`. */
  readonly bindings: readonly string[];
  readonly class: ServiceClass;
  readonly mode?: CommandMode;
  readonly consistency?: Consistency;
  readonly reason: string;
}

/**
 * The route table of the protos, the flags and the exceptions: queries go to nano, or to crud when they are to be
 * strong; computes to lambda; commands by their mode to crud or micro. A flag wins over the proto, an exception over both.
 *
 * @throws QuartetError `invalid_argument` for an exception that names no method, or fits it not.
 */
export function createRoutes(domain: Domain, exceptions: RouteExceptions, flags: FlagBook): Routes {
  checkExceptions(domain, exceptions);
  const { methods } = domain;
  const rest = createRestRoutes(domain);
  const routeOf = (method: DomainMethod, principal: string) =>
    routeMethod(method, exceptions.get(method.name), flags, principal);
  return {
    find(verb, path, principal) {
      if (operationPath.test(path)) return verb === "POST" ? cancelRoute : operationRoute;
      const named = methods.get(path.slice(1));
      if (named !== undefined) return routeOf(named, principal);
      if (path.startsWith("/_quartet"))
        throw new QuartetError("no_such_route", `No route for ${verb} ${path}.`);
      return routeOf(rest.match(verb, path).route.target, principal);
    },
    list: (principal) => [...methods.values()].map((method) => listRoute(method, routeOf(method, principal))),
  };
}

const operationRoute: Route = {
  method: undefined,
  serviceClass: "nano",
  mode: undefined,
  consistency: undefined,
  safe: true,
  reason: "operations are read",
};

const cancelRoute: Route = {
  ...operationRoute,
  serviceClass: "crud",
  reason: "operations are canceled where they are written",
};

function checkExceptions({ methods }: Domain, exceptions: RouteExceptions): void {
  for (const [name, exception] of exceptions) {
    const method = methods.get(name);
    if (method === undefined)
      throw new QuartetError("invalid_argument", `QUARTET_EXCEPTIONS: there is no method ${name}.`);
    const { kind } = method.handler;
    if (kind === "command" || exception.kind === "class") continue;
    throw new QuartetError("invalid_argument", `QUARTET_EXCEPTIONS: ${name} is a ${kind}; it has no mode.`);
  }
}

function routeMethod(
  method: DomainMethod,
  exception: RouteException | undefined,
  flags: FlagBook,
  principal: string,
): Route {
  const { kind } = method.handler;
  if (kind === "command") return routeCommand(method, exception, flags, principal);
  const consistency = kind === "query" ? flags.consistencyOf(method, principal) : undefined;
  const home = kind === "compute" ? "lambda" : consistency?.value === "strong" ? "crud" : "nano";
  return {
    method,
    serviceClass: exception?.kind === "class" ? exception.serviceClass : home,
    mode: undefined,
    consistency: consistency?.value,
    safe: true,
    reason: explain(exception, consistency?.reason ?? `a ${kind}`),
  };
}

function routeCommand(
  method: DomainMethod,
  exception: RouteException | undefined,
  flags: FlagBook,
  principal: string,
): Route {
  const choice = flags.modeOf(method, principal);
  const mode = exception?.kind === "mode" ? exception.mode : choice.value;
  const home = mode === "direct" ? "crud" : "micro";
  return {
    method,
    serviceClass: exception?.kind === "class" ? exception.serviceClass : home,
    mode,
    consistency: undefined,
    safe: false,
    reason: explain(exception, choice.reason),
  };
}

/** An exception of the mode leaves nothing of the choice; one of the class leaves its mode or consistency. */
function explain(exception: RouteException | undefined, reason: string): string {
  if (exception === undefined) return reason;
  return exception.kind === "mode" ? "QUARTET_EXCEPTIONS" : `QUARTET_EXCEPTIONS; else ${reason}`;
}

function listRoute(method: DomainMethod, { serviceClass, mode, consistency, reason }: Route): ListedRoute {
  return {
    name: method.name,
    kind: method.handler.kind,
    bindings: httpBindings(method.desc).map(({ verb, template }) => `${verb} ${template}`),
    class: serviceClass,
    ...(mode === undefined ? {} : { mode }),
    ...(consistency === undefined ? {} : { consistency }),
    reason,
  };
}
