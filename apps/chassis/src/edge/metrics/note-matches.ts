import type { ServerResponse } from "node:http";
import type { DomainMethod } from "../../service/domain.ts";
import type { RouteTable } from "../rest/route-table.ts";
import { nameRequest } from "./request-metrics.ts";

/** The same table: names the request that it is asked for by the method that it finds. */
export function noteMatches(
  routes: RouteTable<DomainMethod>,
  response: ServerResponse,
): RouteTable<DomainMethod> {
  return {
    match: (verb, path) => {
      const found = routes.match(verb, path);
      nameRequest(response, found.route.target.name);
      return found;
    },
  };
}
