import { type Message, toJsonString } from "@bufbuild/protobuf";
import { homeOf, type ServiceClass, servesKind } from "../class/service-class.ts";
import { messageOf } from "../command/answer.ts";
import { runReadOnly } from "../command/run-query.ts";
import type { Runtime } from "../command/runtime.ts";
import { QuartetError } from "../error/quartet-error.ts";
import { requireTime } from "../error/require-time.ts";
import { decodeStoredJson } from "../schema/json/json.ts";
import type { CallContext } from "../service/contexts.ts";
import type { DomainMethod } from "../service/domain.ts";
import { type CallAttempt, callUpstream, readAnswer, timerSlackMs } from "./call-upstream.ts";
import type { DownGuard } from "./overload/down-guard.ts";
import { pauseBeforeRetry } from "./overload/pause-before-retry.ts";
import type { ClassUpstreams } from "./upstream/class-upstreams.ts";
import { toUnavailable, type UpstreamPool } from "./upstream/upstream-pool.ts";

/** Tries of one call, the first included. */
const maxTries = 3;

/**
 * Calls a query or compute of a lower class: over HTTP where the environment names such processes, else in this
 * process when it may serve the method itself. Nothing is begun once the deadline has passed, and the time that is left
 * goes with the call.
 *
 * Both kinds only read, so a call that found nobody, or an upstream that could not now, is made again: at the next
 * upstream, within the retry budget of its class, and past those whose breaker is open.
 *
 * @throws QuartetError `deadline_exceeded`, `canceled`, `unavailable`; what the method answers.
 */
export async function callDown(
  runtime: Runtime,
  upstreams: ClassUpstreams,
  guard: DownGuard,
  method: DomainMethod,
  request: Message,
  context: CallContext,
): Promise<Message> {
  requireTime(context.deadlineMs);
  const home = homeOf(method.handler.kind);
  const pool = upstreams.of(home);
  if (!pool.isEmpty) return callOver(pool, home, guard, runtime, method, request, context);
  if (method.handler.kind === "compute" || servesKind(runtime.found.serviceClass, method.handler.kind)) {
    const { answer } = await runReadOnly(runtime, method, request, context, undefined);
    return messageOf(answer);
  }
  throw new QuartetError("unavailable", `No ${home} is configured for ${method.name}.`, {
    fix: `Set QUARTET_${home.toUpperCase()}_URLS.`,
  });
}

async function callOver(
  pool: UpstreamPool,
  home: ServiceClass,
  guard: DownGuard,
  runtime: Runtime,
  method: DomainMethod,
  request: Message,
  context: CallContext,
): Promise<Message> {
  const { registry } = runtime.domain;
  const body = toJsonString(method.desc.input, request as never, { registry });
  const attempt = await tryInTurn(pool, home, guard, method.name, body, context);
  if (attempt.kind === "answered") {
    return decodeStoredJson(method.desc.output, readAnswer(attempt, method.name), registry);
  }
  if (Date.now() + timerSlackMs >= context.deadlineMs) {
    throw new QuartetError("deadline_exceeded", `${method.name} did not answer in time.`, {
      cause: attempt.error,
    });
  }
  if (context.signal.aborted) {
    throw new QuartetError("canceled", `Nobody waits for ${method.name} any more.`, { cause: attempt.error });
  }
  throw toUnavailable(attempt.error, method.name);
}

/** The last attempt: the first that need not, or may not, be followed by another. */
async function tryInTurn(
  pool: UpstreamPool,
  home: ServiceClass,
  guard: DownGuard,
  name: string,
  body: string,
  context: CallContext,
): Promise<CallAttempt> {
  const candidates = pool.candidates();
  const tries = Math.max(maxTries, candidates.length);
  const budget = guard.budgetOf(home);
  budget.earn();
  let last: CallAttempt = { kind: "failed", error: undefined, sent: false, retry: false };
  for (let index = 0; index < tries; index++) {
    const upstream = candidates[index % candidates.length];
    if (upstream === undefined) break;
    last = await callUpstream(pool, upstream, guard.breakerOf(upstream), name, body, context);
    const over = context.signal.aborted || Date.now() >= context.deadlineMs;
    if (!last.retry || over || index + 1 >= tries) break;
    // An upstream that never saw the request has no more load by it.
    if (last.sent && !budget.take()) break;
    // The next one at once; all were tried: not again at once.
    if (index + 1 < candidates.length) continue;
    const barred = last.kind === "failed" && last.barred === true;
    if (barred || !(await pauseBeforeRetry(index, context))) break;
  }
  return last;
}
