import type { DescMessage, DescService, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { QuartetError } from "../error/quartet-error.ts";
import type { Stored } from "../pbtable/stored.ts";
import { type MethodKind, methodKind, methodName } from "../schema/method.ts";
import type { CallContext, CommandContext, QueryContext } from "./contexts.ts";
import type { Written } from "./written.ts";

/** A method that only reads. It may answer with a row as it is stored, which is not parsed on its way out. */
export interface Query<I extends DescMessage, O extends DescMessage> {
  readonly kind: "query";
  run(ctx: QueryContext, request: MessageShape<I>): Promise<MessageInitShape<O> | Stored<O>>;
}

/** A method that causes writes: decides by reading, and answers with a message or the result of one of its writes. */
export interface Command<I extends DescMessage, O extends DescMessage> {
  readonly kind: "command";
  run(ctx: CommandContext, request: MessageShape<I>): Promise<Written<MessageShape<O>> | MessageInitShape<O>>;
}

/** A pure function of its request. */
export interface Compute<I extends DescMessage, O extends DescMessage> {
  readonly kind: "compute";
  run(request: MessageShape<I>, ctx: CallContext): Promise<MessageInitShape<O>> | MessageInitShape<O>;
}

export type Method<I extends DescMessage = DescMessage, O extends DescMessage = DescMessage> =
  | Query<I, O>
  | Command<I, O>
  | Compute<I, O>;

/** Handlers of a service by the local names of its methods, each with the message types of its method. */
export type Handlers<S extends DescService> = {
  readonly [Name in keyof S["method"]]: S["method"][Name] extends {
    input: infer I extends DescMessage;
    output: infer O extends DescMessage;
  }
    ? Method<I, O>
    : never;
};

/** A service with its handlers. */
export interface Service {
  readonly desc: DescService;
  readonly handlers: Readonly<Record<string, Method>>;
}

export function query<I extends DescMessage, O extends DescMessage>(run: Query<I, O>["run"]): Query<I, O> {
  return { kind: "query", run };
}

export function command<I extends DescMessage, O extends DescMessage>(
  run: Command<I, O>["run"],
): Command<I, O> {
  return { kind: "command", run };
}

export function compute<I extends DescMessage, O extends DescMessage>(
  run: Compute<I, O>["run"],
): Compute<I, O> {
  return { kind: "compute", run };
}

/**
 * Binds handlers to a service of the protos.
 *
 * @throws QuartetError `invalid_argument` when a method has no handler, or its proto says another kind than its code.
 */
export function service<S extends DescService>(desc: S, handlers: Handlers<S>): Service {
  // The mapped type ties each handler to its method's messages; at run time they are looked up by name.
  const byName = handlers as unknown as Readonly<Record<string, Method>>;
  for (const method of desc.methods) {
    const handler = byName[method.localName];
    if (handler === undefined) {
      throw new QuartetError("invalid_argument", `${methodName(method)} has no handler.`);
    }
    requireKind(methodName(method), methodKind(method), handler.kind);
  }
  return { desc, handlers: byName };
}

function requireKind(name: string, declared: MethodKind, implemented: MethodKind): void {
  if (declared === implemented) return;
  const fixes: Record<MethodKind, string> = {
    query: "option idempotency_level = NO_SIDE_EFFECTS",
    command: "no idempotency_level = NO_SIDE_EFFECTS",
    compute: "option (quartet.v1.method) = {kind: METHOD_KIND_COMPUTE}",
  };
  throw new QuartetError(
    "invalid_argument",
    `${name} is a ${declared} by its proto, a ${implemented} in code.`,
    {
      fix: `Use ${declared}(…), or give the method ${fixes[implemented]}.`,
    },
  );
}
