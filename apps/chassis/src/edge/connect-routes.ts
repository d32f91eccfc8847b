import { create, type DescMethodUnary, type Message } from "@bufbuild/protobuf";
import { type Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import type { connectNodeAdapter } from "@connectrpc/connect-node";
import { answerVersion, messageOf } from "../command/answer.ts";
import { KeptAnswer } from "../command/kept-answer.ts";
import type { Runtime } from "../command/runtime.ts";
import { isErrorCode } from "../error/error-codes.ts";
import { placeHeader, toProblem, toQuartetError } from "../error/problem.ts";
import { QuartetError } from "../error/quartet-error.ts";
import { rpcNumberOf } from "../error/rpc-number.ts";
import { type Problem, ProblemSchema } from "../gen/quartet/v1/problem_pb.ts";
import { requireKnownAnys } from "../schema/json/json.ts";
import { lenientRegistry } from "../schema/json/unknown-any.ts";
import type { DomainMethod } from "../service/domain.ts";
import { translateDatabaseError } from "../sql/translate-error.ts";
import { readCallMeta } from "./call-meta.ts";
import { createConnectAdapter, usePrinted } from "./connect-adapter.ts";
import { dispatch } from "./dispatch.ts";
import { entityTagOf } from "./entity-tag.ts";
import { maxBodyBytes } from "./read-body.ts";
import { openDeadlineSignal } from "./request-signal.ts";
import { withinDeadline } from "./within-deadline.ts";

/** A Node request handler for every method at `/pkg.Service/Method`: Connect, gRPC-web and, over HTTP/2, gRPC. */
export function createConnectHandler(runtime: Runtime): ReturnType<typeof connectNodeAdapter> {
  return createConnectAdapter({
    readMaxBytes: maxBodyBytes,
    // Lenient, so that an answer may hold an Any of a newer build.
    jsonOptions: { registry: lenientRegistry(runtime.domain.registry), alwaysEmitImplicit: true },
    routes: (router) => registerMethods(router, runtime),
  });
}

function registerMethods(router: ConnectRouter, runtime: Runtime): void {
  for (const method of runtime.domain.methods.values()) {
    const { desc } = method;
    if (desc.methodKind !== "unary") continue;
    router.rpc(desc as DescMethodUnary, (request, context) => answerRpc(runtime, method, request, context));
  }
}

async function answerRpc(
  runtime: Runtime,
  method: DomainMethod,
  request: Message,
  context: HandlerContext,
): Promise<Message> {
  try {
    requireKnownAnys(method.desc.input, request, runtime.domain.registry);
    const meta = readCallMeta(Object.fromEntries(context.requestHeader));
    const first = await withinDeadline(meta.deadlineMs, async () => {
      // The deadline was noted, and its header taken away: Connect's own signal knows the client alone.
      using limit = openDeadlineSignal(meta.deadlineMs, context.signal);
      return await dispatch(runtime, method, request, meta, limit.signal);
    });
    if (first.kind === "accepted") throw notYet(first.operationId);
    if (first.replayed) context.responseHeader.set("Idempotency-Replayed", "true");
    if (first.kind === "refused") throw new StoredRefusal(first.problem, first.position);
    if (first.position !== undefined) context.responseHeader.set("Quartet-Position", first.position);
    if (first.answer instanceof KeptAnswer) usePrinted(context.values, first.answer.json);
    const version = answerVersion(first.answer);
    if (version !== undefined) context.responseHeader.set("ETag", entityTagOf(version));
    return messageOf(first.answer);
  } catch (error) {
    throw toConnectError(runtime, error);
  }
}

/** An RPC answers with its output or not at all: a command that has no end yet is an error that names its operation. */
function notYet(operationId: string): QuartetError {
  return new QuartetError("in_flight", `Accepted, and not ended yet: see /operations/${operationId}.`, {
    retryAfterSeconds: 1,
    fix: "Read the operation, or send the same request with the same Idempotency-Key again.",
  });
}

/** The problem that an operation ended with. */
class StoredRefusal extends Error {
  readonly problem: Problem;
  readonly position: string | undefined;

  constructor(problem: Problem, position: string | undefined) {
    super(problem.detail);
    this.problem = problem;
    this.position = position;
  }
}

function toConnectError(runtime: Runtime, thrown: unknown): ConnectError {
  if (thrown instanceof StoredRefusal) return storedError(thrown);
  const error = toQuartetError(translateDatabaseError(thrown));
  if (error.code === "internal") runtime.log.error({ err: error.cause ?? error }, "a call failed");
  const code: Code = rpcNumberOf(error.code);
  return new ConnectError(
    error.message,
    code,
    placeHeader(error),
    [{ desc: ProblemSchema, value: create(ProblemSchema, toProblem(error)) }],
    error.cause,
  );
}

/** As the first client had it: of a code that this build does not know it knows no RPC code either. */
function storedError({ problem, position }: StoredRefusal): ConnectError {
  const code: Code = rpcNumberOf(isErrorCode(problem.code) ? problem.code : "internal");
  const place = position === undefined ? undefined : { "Quartet-Position": position };
  return new ConnectError(problem.detail, code, place, [{ desc: ProblemSchema, value: problem }]);
}
