import type { ServerResponse } from "node:http";
import type { Registry } from "@bufbuild/protobuf";
import { type Answer, answerVersion } from "../command/answer.ts";
import type { CommandOutcome } from "../command/command-call.ts";
import { KeptAnswer } from "../command/kept-answer.ts";
import type { Runtime } from "../command/runtime.ts";
import { Stored } from "../pbtable/stored.ts";
import { encodeJson } from "../schema/json/json.ts";
import type { DomainMethod } from "../service/domain.ts";
import type { CallMeta } from "./call-meta.ts";
import { entityTagOf, isKnown } from "./entity-tag.ts";
import { printAcceptedOperation } from "./operation-answer.ts";
import { sendStoredProblem } from "./stored-problem.ts";

/**
 * Answers a REST request: 200 with the method's output, 304 when the client has that already, or 202 with the operation
 * that will have it.
 */
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
    response.statusCode = 202;
    response.end(printAcceptedOperation(outcome.operationId, registry));
    return;
  }
  if (outcome.replayed) response.setHeader("Idempotency-Replayed", "true");
  if (outcome.position !== undefined) response.setHeader("Quartet-Position", outcome.position);
  if (outcome.kind === "refused") {
    sendStoredProblem(response, outcome.problem);
    return;
  }
  const body = formatAnswer(method, outcome.answer, registry);
  const version = answerVersion(outcome.answer);
  if (version !== undefined) {
    const tag = entityTagOf(version, body);
    response.setHeader("ETag", tag);
    if (method.handler.kind === "query" && isKnown(tag, meta.knownTags)) {
      response.removeHeader("Content-Type");
      response.statusCode = 304;
      response.end();
      return;
    }
  }
  // writeHead() would have the body sent in chunks, as nobody has said by then how long it is.
  response.statusCode = outcome.answer instanceof KeptAnswer ? outcome.answer.status : 200;
  response.end(body);
}

/** A stored row is its own text, and a kept answer the first client's: nothing is made, and hardly ever parsed. */
function formatAnswer(method: DomainMethod, answer: Answer, registry: Registry): string {
  if (answer instanceof Stored) return answer.json();
  if (answer instanceof KeptAnswer) return answer.json;
  return JSON.stringify(encodeJson(method.desc.output, answer as never, registry));
}
