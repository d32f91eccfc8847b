import type { MethodKind } from "../schema/method.ts";

/** What a process may do to data, found from what its login may do. */
export type ServiceClass = "crud" | "micro" | "nano" | "lambda";

export const serviceClasses: readonly ServiceClass[] = ["crud", "micro", "nano", "lambda"];

/** A class may call only classes of a lower rank. */
const ranks: Readonly<Record<ServiceClass, number>> = { crud: 3, micro: 2, nano: 1, lambda: 0 };

export function isServiceClass(value: string): value is ServiceClass {
  return Object.hasOwn(ranks, value);
}

export function mayCall(caller: ServiceClass, callee: ServiceClass): boolean {
  return ranks[caller] > ranks[callee];
}

/** Which kinds of method a class serves. */
const served: Readonly<Record<ServiceClass, readonly MethodKind[]>> = {
  crud: ["query", "command", "compute"],
  micro: ["command"],
  nano: ["query"],
  lambda: ["compute"],
};

export function servesKind(serviceClass: ServiceClass, kind: MethodKind): boolean {
  return served[serviceClass].includes(kind);
}

/** The lowest class that serves a kind: where such calls go. */
export function homeOf(kind: MethodKind): ServiceClass {
  return kind === "query" ? "nano" : kind === "compute" ? "lambda" : "micro";
}
