import type { ServerResponse } from "node:http";
import { toJsonString } from "@bufbuild/protobuf";
import type { CommandOutcome } from "../command/command-call.ts";
import type { Runtime } from "../command/runtime.ts";
import { OperationSchema } from "../gen/quartet/v1/operation_pb.ts";
import type { DomainMethod } from "../service/domain.ts";
import type { CallMeta } from "./call-meta.ts";
import { toAcceptedOperation } from "./operation-answer.ts";

/** Answers a REST request: 200 with the method's output, or 202 with the operation that will have it. */
export function sendOutcome(
  runtime: Runtime,
  response: ServerResponse,
  method: DomainMethod,
  outcome: CommandOutcome,
  meta: CallMeta,
): void {
  const { registry } = runtime.domain;
  response.setHeader("Content-Type", "application/json");
  if (outcome.kind === "accepted") {
    response.setHeader("Location", `/operations/${outcome.operationId}`);
    response.setHeader("Retry-After", 1);
    if (meta.respondAsync) response.setHeader("Preference-Applied", "respond-async");
    response.writeHead(202);
    response.end(
      toJsonString(OperationSchema, toAcceptedOperation(outcome.operationId), {
        registry,
        alwaysEmitImplicit: true,
      }),
    );
    return;
  }
  if (outcome.position !== undefined) response.setHeader("Quartet-Position", outcome.position);
  if (outcome.replayed) response.setHeader("Idempotency-Replayed", "true");
  response.writeHead(200);
  response.end(
    toJsonString(method.desc.output, outcome.answer as never, { registry, alwaysEmitImplicit: true }),
  );
}
