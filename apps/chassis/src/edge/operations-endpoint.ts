import type { IncomingMessage, ServerResponse } from "node:http";
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { cancelOperation, operationNotFound } from "../command/cancel-operation.ts";
import { isIssued } from "../command/operation-id.ts";
import { isEnded, isForeignCancel, operationReader } from "../command/operations.ts";
import { reachPosition } from "../command/read-at-position.ts";
import { type Runtime, requireMain } from "../command/runtime.ts";
import { QuartetError } from "../error/quartet-error.ts";
import {
  ListOperationsResponseSchema,
  type OperationRecord,
  OperationSchema,
  OperationState,
} from "../gen/quartet/v1/operation_pb.ts";
import { parsePosition } from "../position/position.ts";
import { takePosition } from "../position/take-position.ts";
import { encodeJson } from "../schema/json/json.ts";
import { readCallMeta } from "./call-meta.ts";
import { listOperations } from "./list-operations.ts";
import { toAcceptedOperation, toOperation } from "./operation-answer.ts";
import { readBody } from "./read-body.ts";
import { requestSignal } from "./request-signal.ts";

/** `/operations`, `/operations/{id}` and `/operations/{id}:cancel`. */
export const operationPath = /^\/operations(?:\/([^/]+))?$/;

const cancelSuffix = /(?::|%3a)cancel$/i;

/** How long a last look at an operation may take that a client has waited for in vain. */
const lookMs = 1_000;

/**
 * The operations of a deployment, the same in every class that reads the main database:
 *
 * - `GET /operations/{id}`: the operation as it is; with `Prefer: wait=N` once it has ended, or after N seconds.
 * - `GET /operations`: those of the principal that asks, the newest first; see `ListOperationsRequest`.
 * - `POST /operations/{id}:cancel`, in the crud class: see {@link cancelOperation}.
 *
 * @throws QuartetError `not_found` for an id that was never issued, `method_not_allowed`, `wrong_class`.
 */
export async function answerOperations(
  runtime: Runtime,
  request: IncomingMessage,
  response: ServerResponse,
  id: string | undefined,
): Promise<void> {
  if (id === undefined) return answerList(runtime, request, response);
  if (cancelSuffix.test(id)) return answerCancel(runtime, request, response, id.replace(cancelSuffix, ""));
  return answerOperation(runtime, request, response, id);
}

async function answerOperation(
  runtime: Runtime,
  request: IncomingMessage,
  response: ServerResponse,
  operationId: string,
): Promise<void> {
  requireVerb(request, ["GET", "HEAD"]);
  const { waitMs, position: asked, deadlineMs, principal } = readCallMeta(request.headers);
  const place = { replay: requireMain(runtime).replay, isPrimary: runtime.found.serviceClass === "crud" };
  const signal = requestSignal(response, deadlineMs);
  await reachPosition(place, asked === undefined ? undefined : parsePosition(asked), { deadlineMs, signal });
  const issued = isIssued(runtime.secret, operationId);
  const found =
    issued && waitMs !== undefined
      ? await awaitOperation(runtime, response, operationId, waitMs)
      : await operationReader(requireMain(runtime).pool, runtime.domain.registry).get(operationId);
  // What somebody else has canceled before anything was known of it has not ended, unless it turns out to be his.
  const record = found !== undefined && isForeignCancel(found, principal) ? undefined : found;
  if (record === undefined && !issued) throw operationNotFound(operationId);
  const position = await positionOf(runtime, record);
  const operation = record === undefined ? toAcceptedOperation(operationId) : toOperation(record, position);
  if (!operation.done) response.setHeader("Retry-After", 1);
  if (position !== undefined) response.setHeader("Quartet-Position", position);
  send(runtime, response, OperationSchema, operation);
}

/** Without a query and a connection of its own, however long it takes: the watcher asks for all who wait. */
async function awaitOperation(
  runtime: Runtime,
  response: ServerResponse,
  operationId: string,
  waitMs: number,
): Promise<OperationRecord | undefined> {
  const { operations } = requireMain(runtime);
  response.setHeader("Preference-Applied", "wait");
  const untilMs = Date.now() + waitMs;
  const ended = await operations.wait(operationId, untilMs, requestSignal(response, untilMs));
  if (ended !== undefined || response.closed) return ended;
  const lookUntilMs = Date.now() + lookMs;
  return operations.look(operationId, lookUntilMs, requestSignal(response, lookUntilMs));
}

/** A position at or past an operation's commit: the row is seen, so its commit is behind. */
async function positionOf(
  runtime: Runtime,
  record: OperationRecord | undefined,
): Promise<string | undefined> {
  if (record?.state !== OperationState.COMMITTED) return undefined;
  return takePosition(requireMain(runtime).pool).catch(() => undefined);
}

async function answerList(
  runtime: Runtime,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  requireVerb(request, ["GET", "HEAD"]);
  await requireMain(runtime).replay.settle();
  const { principal } = readCallMeta(request.headers);
  const query = new URL(request.url ?? "/", "http://quartet.invalid").searchParams;
  const page = await listOperations(runtime, principal, query);
  send(runtime, response, ListOperationsResponseSchema, page);
}

async function answerCancel(
  runtime: Runtime,
  request: IncomingMessage,
  response: ServerResponse,
  operationId: string,
): Promise<void> {
  requireVerb(request, ["POST"]);
  if (runtime.found.serviceClass !== "crud") {
    throw new QuartetError("wrong_class", "Operations are canceled by the crud class.", {
      fix: "Send it to the gateway, which knows who serves it.",
    });
  }
  await readBody(request);
  const { principal } = readCallMeta(request.headers);
  if (!isIssued(runtime.secret, operationId)) throw operationNotFound(operationId);
  const record = await cancelOperation(runtime, operationId, principal);
  if (!isEnded(record)) throw new QuartetError("internal", "A canceled operation has not ended.");
  send(runtime, response, OperationSchema, toOperation(record, undefined));
}

function requireVerb(request: IncomingMessage, allow: readonly string[]): void {
  if (allow.includes(request.method ?? "")) return;
  throw new QuartetError("method_not_allowed", `This takes ${allow.join(" and ")} only.`, { allow });
}

function send<D extends DescMessage>(
  { domain }: Runtime,
  response: ServerResponse,
  desc: D,
  message: MessageShape<D>,
): void {
  response.setHeader("Content-Type", "application/json");
  response.end(JSON.stringify(encodeJson(desc, message, domain.registry)));
}
