import type { IncomingMessage, ServerResponse } from "node:http";
import { isIssued } from "../command/operation-id.ts";
import { isEnded, operationReader } from "../command/operations.ts";
import { type Runtime, requireMain } from "../command/runtime.ts";
import { QuartetError } from "../error/quartet-error.ts";
import { OperationSchema } from "../gen/quartet/v1/operation_pb.ts";
import { encodeJson } from "../schema/json/json.ts";
import { readCallMeta } from "./call-meta.ts";
import { toAcceptedOperation, toOperation } from "./operation-answer.ts";
import { requestSignal } from "./request-signal.ts";

export const operationPath = /^\/operations\/([^/]+)$/;

/**
 * `GET /operations/{id}`: the operation as it is; with `Prefer: wait=N` once it has ended, or after N seconds.
 *
 * @throws QuartetError `not_found` for an id that was never issued.
 */
export async function answerOperation(
  runtime: Runtime,
  request: IncomingMessage,
  response: ServerResponse,
  operationId: string,
): Promise<void> {
  if (request.method !== "GET" && request.method !== "HEAD") {
    throw new QuartetError("method_not_allowed", "An operation can be read only.", {
      allow: ["GET", "HEAD"],
    });
  }
  const meta = readCallMeta(request.headers);
  const { pool, operations, replay } = requireMain(runtime);
  await replay.settle();
  const { registry } = runtime.domain;
  let record = await operationReader(pool, registry).get(operationId);
  if (record === undefined && !isIssued(runtime.secret, operationId)) {
    throw new QuartetError("not_found", `There is no operation ${operationId}.`);
  }
  if (meta.waitMs !== undefined && (record === undefined || !isEnded(record))) {
    response.setHeader("Preference-Applied", "wait");
    const untilMs = Date.now() + meta.waitMs;
    record = (await operations.wait(operationId, untilMs, requestSignal(response, untilMs))) ?? record;
  }
  const operation = record === undefined ? toAcceptedOperation(operationId) : toOperation(record);
  if (!operation.done) response.setHeader("Retry-After", 1);
  response.setHeader("Content-Type", "application/json");
  response.end(JSON.stringify(encodeJson(OperationSchema, operation, registry)));
}
