import { type Message, toJsonString } from "@bufbuild/protobuf";
import { servesKind } from "../class/service-class.ts";
import { acceptCommand } from "../command/accept-command.ts";
import type { CommandCall, CommandOutcome } from "../command/command-call.ts";
import type { CallScope } from "../command/handler-context.ts";
import { createOperationId, deriveOperationId, fingerprintOf } from "../command/operation-id.ts";
import { readKnown, runDirect } from "../command/run-direct.ts";
import { awaitOutcome, runOffloaded } from "../command/run-offloaded.ts";
import { runReadOnly } from "../command/run-query.ts";
import type { Runtime } from "../command/runtime.ts";
import { QuartetError } from "../error/quartet-error.ts";
import { defaultMode } from "../schema/method.ts";
import type { DomainMethod } from "../service/domain.ts";
import type { CallMeta } from "./call-meta.ts";

/**
 * Runs a method as this class runs it: queries and computes here, commands in their mode.
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
  if (kind === "command") return dispatchCommand(runtime, method, request, meta, signal);
  const scope: CallScope = { principal: meta.principal, deadlineMs: meta.deadlineMs, signal };
  const answer = await runReadOnly(runtime, method, request, scope, meta.position);
  return { kind: "answered", answer, position: undefined, replayed: false, operationId: undefined };
}

async function dispatchCommand(
  runtime: Runtime,
  method: DomainMethod,
  request: Message,
  meta: CallMeta,
  signal: AbortSignal,
): Promise<CommandOutcome> {
  if (meta.knownTags !== undefined) throw ifNoneMatchIgnored();
  const mode = meta.respondAsync ? "async" : (meta.routedMode ?? defaultMode(method.desc));
  const call = createCommandCall(runtime, method, request, meta, signal);
  if (mode === "async") return runAsync(runtime, call, meta);
  return runtime.found.serviceClass === "crud" ? runDirect(runtime, call) : runOffloaded(runtime, call);
}

/** Whoever sends a condition that nobody checks believes to be safe, and is not. */
function ifNoneMatchIgnored(): QuartetError {
  return new QuartetError("invalid_argument", "A command takes no If-None-Match.", {
    field: "If-None-Match",
    fix: "Send the request without it; a command whose row must be new says already_exists by itself.",
  });
}

async function runAsync(runtime: Runtime, call: CommandCall, meta: CallMeta): Promise<CommandOutcome> {
  if (!call.keyed) {
    throw new QuartetError("key_missing", "An asynchronous command needs an Idempotency-Key.", {
      field: "Idempotency-Key",
      fix: 'Send one, such as Idempotency-Key: "8e03978e-40d5-43dd-bc93-6894a57f9324", and the same one to retry.',
    });
  }
  await readKnown(runtime, call);
  const acceptance = await acceptCommand(runtime, call);
  if (meta.waitMs === undefined) return acceptance;
  return awaitOutcome(runtime, { ...call, deadlineMs: Math.min(call.deadlineMs, Date.now() + meta.waitMs) });
}

function createCommandCall(
  runtime: Runtime,
  method: DomainMethod,
  request: Message,
  meta: CallMeta,
  signal: AbortSignal,
): CommandCall {
  const { principal, idempotencyKey, deadlineMs, traceparent, expectedVersion } = meta;
  const json = toJsonString(method.desc.input, request as never, { registry: runtime.domain.registry });
  const operationId =
    idempotencyKey === undefined
      ? createOperationId(runtime.secret)
      : deriveOperationId(runtime.secret, { principal, method: method.name, key: idempotencyKey });
  return {
    method,
    request,
    operationId,
    keyed: idempotencyKey !== undefined,
    principal,
    fingerprint: fingerprintOf(
      method.name,
      expectedVersion === undefined ? json : `${json}\0${expectedVersion}`,
    ),
    expectedVersion,
    acceptTime: new Date(),
    deadlineMs,
    signal,
    traceparent,
  };
}
