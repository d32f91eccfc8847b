import { type Message, toJsonString } from "@bufbuild/protobuf";
import { servesKind } from "../class/service-class.ts";
import { acceptCommand } from "../command/accept-command.ts";
import { checkCallbackUrl } from "../command/callback-url.ts";
import type { CommandCall, CommandOutcome } from "../command/command-call.ts";
import { placeNow } from "../command/ended-outcome.ts";
import type { CallScope } from "../command/handler-context.ts";
import {
  createOperationId,
  createUnaskedId,
  deriveOperationId,
  fingerprintOf,
} from "../command/operation-id.ts";
import { isLastingRefusal } from "../command/refuse-command.ts";
import { readKnown, runDirect } from "../command/run-direct.ts";
import { awaitOutcome, runOffloaded } from "../command/run-offloaded.ts";
import { runReadOnly } from "../command/run-query.ts";
import { type Runtime, requireMain } from "../command/runtime.ts";
import { QuartetError } from "../error/quartet-error.ts";
import { parsePosition } from "../position/position.ts";
import type { DomainMethod } from "../service/domain.ts";
import type { CallMeta } from "./call-meta.ts";

/**
 * Runs a method as this class runs it: queries and computes here, commands in their mode.
 *
 * A command whose idempotency key was used before has one rule in every class and mode: the request attaches to the
 * first one and waits for its end, until its own deadline (which `Prefer: wait` shortens). It gets what the first one
 * got. When its time is over before, it is answered 202 with the operation once that is durable, as the first one is; and
 * 409 `in_flight` with Retry-After before that, for then the first one may still come to nothing. An asynchronous
 * command's answer is the 202: a repeat gets it again, at once.
 *
 * @throws QuartetError `wrong_class` when this class does not serve the method's kind.
 */
export async function dispatch(
  runtime: Runtime,
  method: DomainMethod,
  request: Message,
  meta: CallMeta,
  signal: AbortSignal,
): Promise<CommandOutcome> {
  const { kind } = method.handler;
  const { serviceClass } = runtime.found;
  if (!servesKind(serviceClass, kind)) {
    throw new QuartetError("wrong_class", `${method.name} is a ${kind}; this process is a ${serviceClass}.`, {
      fix: "Send it to the gateway, which knows who serves it.",
    });
  }
  if (meta.callback !== undefined && (kind !== "command" || meta.idempotencyKey === undefined))
    throw noCallback(kind);
  if (kind === "command") return dispatchCommand(runtime, method, request, meta, signal);
  const scope: CallScope = { principal: meta.principal, deadlineMs: meta.deadlineMs, signal };
  const found = await runReadOnly(runtime, method, request, scope, meta.position);
  return { kind: "answered", ...found, replayed: false, operationId: undefined };
}

async function dispatchCommand(
  runtime: Runtime,
  method: DomainMethod,
  request: Message,
  meta: CallMeta,
  signal: AbortSignal,
): Promise<CommandOutcome> {
  if (meta.knownTags !== undefined) throw ifNoneMatchIgnored();
  const mode = meta.respondAsync
    ? "async"
    : (meta.routedMode ?? runtime.flags.modeOf(method, meta.principal).value);
  // A direct command without a key ends with its answer: nobody asks for it later.
  const isAskedFor = meta.idempotencyKey !== undefined || runtime.found.serviceClass !== "crud";
  const identity = isAskedFor ? identify(runtime, method, request, meta) : unasked();
  const call = createCommandCall(runtime, method, request, meta, signal, identity);
  try {
    if (mode === "async") return await runAsync(runtime, call, meta);
    return await (runtime.found.serviceClass === "crud"
      ? joinDirect(runtime, call)
      : runOffloaded(runtime, call));
  } catch (error) {
    throw await placeRefusal(runtime, error);
  }
}

/** Whoever is told that a row is there already, or is not, reads at or past the place where that was found. */
async function placeRefusal(runtime: Runtime, error: unknown): Promise<unknown> {
  if (!isLastingRefusal(error) || error.position !== undefined) return error;
  const position = await placeNow(runtime);
  return position === undefined ? error : error.at(position);
}

/** Its end is pushed with the operation's record, which commands without a key do not have. */
function noCallback(kind: string): QuartetError {
  return new QuartetError(
    "invalid_argument",
    `A ${kind} without an Idempotency-Key takes no Quartet-Callback.`,
    {
      field: "Quartet-Callback",
      fix: "Send it with commands, and an Idempotency-Key with it.",
    },
  );
}

/** Whoever sends a condition that nobody checks believes to be safe, and is not. */
function ifNoneMatchIgnored(): QuartetError {
  return new QuartetError("invalid_argument", "A command takes no If-None-Match.", {
    field: "If-None-Match",
    fix: "Send the request without it; a command whose row must be new says already_exists by itself.",
  });
}

/** Requests with one key run once in this process: the others get what that one gets. */
async function joinDirect(runtime: Runtime, call: CommandCall): Promise<CommandOutcome> {
  if (!call.keyed) return runDirect(runtime, call);
  const { running } = requireMain(runtime).operations;
  const { value, attached } = await running.join("direct", call, () => runDirect(runtime, call));
  return attached ? { ...value, replayed: true } : value;
}

async function runAsync(runtime: Runtime, call: CommandCall, meta: CallMeta): Promise<CommandOutcome> {
  if (!call.keyed) {
    throw new QuartetError("key_missing", "An asynchronous command needs an Idempotency-Key.", {
      field: "Idempotency-Key",
      fix: 'Send one, such as Idempotency-Key: "8e03978e-40d5-43dd-bc93-6894a57f9324", and the same one to retry.',
    });
  }
  const { running } = requireMain(runtime).operations;
  const { value: first, attached } = await running.join("async", call, async () => {
    await readKnown(runtime, call);
    return acceptCommand(runtime, call);
  });
  if (meta.waitMs === undefined) return { kind: "accepted", operationId: call.operationId };
  const deadlineMs = Math.min(call.deadlineMs, Date.now() + meta.waitMs);
  return awaitOutcome(runtime, { ...call, deadlineMs }, attached || !first);
}

/** What a command's operation is known by, and what tells its request from another with the same key. */
type Identity = Pick<CommandCall, "operationId" | "fingerprint">;

function identify(runtime: Runtime, method: DomainMethod, request: Message, meta: CallMeta): Identity {
  const { principal, idempotencyKey: key, expectedVersion } = meta;
  const { secret, domain } = runtime;
  const json = toJsonString(method.desc.input, request as never, { registry: domain.registry });
  const operationId =
    key === undefined
      ? createOperationId(secret)
      : deriveOperationId(secret, { principal, method: method.name, key });
  const content = expectedVersion === undefined ? json : `${json}\0${expectedVersion}`;
  return { operationId, fingerprint: fingerprintOf(method.name, content) };
}

function unasked(): Identity {
  return { operationId: createUnaskedId(), fingerprint: "" };
}

function createCommandCall(
  runtime: Runtime,
  method: DomainMethod,
  request: Message,
  meta: CallMeta,
  signal: AbortSignal,
  identity: Identity,
): CommandCall {
  const { principal, idempotencyKey, deadlineMs, traceparent, expectedVersion, position, callback } = meta;
  if (position !== undefined) parsePosition(position); // a malformed one is refused before anything is accepted
  return {
    method,
    request,
    ...identity,
    keyed: idempotencyKey !== undefined,
    principal,
    expectedVersion,
    position,
    callbackUrl: callback === undefined ? undefined : checkCallbackUrl(callback, runtime.addressRules),
    acceptTime: new Date(),
    deadlineMs,
    signal,
    traceparent,
  };
}
