import { isServiceClass, type ServiceClass } from "../class/service-class.ts";
import type { CommandMode } from "../schema/method.ts";

/** What the route table says of a method instead of its proto. */
export type RouteException =
  | { readonly kind: "class"; readonly serviceClass: ServiceClass }
  | { readonly kind: "mode"; readonly mode: CommandMode };

/** Exceptions by method name. */
export type RouteExceptions = ReadonlyMap<string, RouteException>;

/**
 * Parses `shop.v1.Catalog/GetProduct=crud,shop.v1.Orders/PlaceOrder=async`: a class for a query that cannot stand
 * staleness, a mode for a command.
 *
 * @param faults gets one line for each entry that is wrong
 */
export function parseExceptions(text: string, faults: string[]): RouteExceptions {
  const exceptions = new Map<string, RouteException>();
  for (const entry of text.split(",").map((part) => part.trim())) {
    if (entry === "") continue;
    const [method = "", value = ""] = entry.split("=").map((part) => part.trim());
    const exception = parseException(value);
    if (exception === undefined || !/^[\w.]+\/\w+$/.test(method)) {
      faults.push(`QUARTET_EXCEPTIONS: "${entry}" is not package.Service/Method=class or =mode`);
    } else exceptions.set(method, exception);
  }
  return exceptions;
}

function parseException(value: string): RouteException | undefined {
  if (isServiceClass(value)) return { kind: "class", serviceClass: value };
  if (value === "direct" || value === "offloaded" || value === "async") return { kind: "mode", mode: value };
  return undefined;
}
