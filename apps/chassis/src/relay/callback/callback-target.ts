import type { Registry } from "@bufbuild/protobuf";
import type { OutsideReach } from "../../wire/http/guarded-connect.ts";
import type { PushedEvent } from "../push/encode-push.ts";
import { fail } from "../push/judge-answer.ts";
import { type Push, pushEvents } from "../push/push-events.ts";
import type { PushAnswer, PushFailure, PushOutcome } from "../push/push-outcome.ts";
import type { PushSettings, PushSubscription } from "../push/push-plan.ts";
import type { PushTarget } from "../push/push-target.ts";
import { callbackEndpoint } from "./callback-endpoint.ts";
import { type CallbackHost, CallbackHosts } from "./callback-hosts.ts";
import { callbackSeeds } from "./callback-secrets.ts";
import { type Callback, readCallback } from "./ended-operation.ts";
import type { Admission } from "./host-gate.ts";
import { PrincipalShares } from "./principal-shares.ts";

/** Whole, always: a client that was called back should not have to ask again for what it was called about. */
const maxDataBytes = 64 * 1_048_576;

/**
 * Where callbacks go: each to the URL that its client gave. What a host does is its own affair. Each has limits of its own
 * (host-gate.ts), as has each principal (principal-shares.ts), and no answer of one, or its silence, says anything of the others: the subscription as a whole is never
 * away. A callback has the subscription's attempts, and is a dead letter then; a 410 makes it one at once.
 */
export class CallbackTarget implements PushTarget {
  readonly own = false;
  readonly path = callbackEndpoint;
  readonly mode = "binary";
  readonly #registry: Registry;
  readonly #hosts: CallbackHosts;
  readonly #shares = new PrincipalShares();

  /** @param registry knows the answers of the domain's commands */
  constructor(registry: Registry, reach: OutsideReach) {
    this.#registry = registry;
    this.#hosts = new CallbackHosts(reach);
  }

  /** There is none for all of them. */
  next(): undefined {
    return undefined;
  }

  /** As `pushEvents`, each event to its own URL. */
  async push(settings: PushSettings, push: Push, signal: AbortSignal | undefined): Promise<PushAnswer> {
    const answers = await Promise.all(
      push.events.map((event) => this.#pushOne(settings, push, event, signal)),
    );
    const [first] = answers;
    if (first === undefined) throw new RangeError("a push has one event at least");
    return { ...first, outcomes: answers.flatMap(({ outcomes }) => outcomes) };
  }

  async #pushOne(
    settings: PushSettings,
    push: Push,
    pushed: PushedEvent,
    signal: AbortSignal | undefined,
  ): Promise<PushAnswer> {
    let callback: Callback;
    let host: CallbackHost;
    try {
      callback = readCallback(pushed.event, this.#registry);
      host = this.#hosts.of(callback.url.origin);
    } catch (error) {
      // Whatever is wrong with one must not end the run of all.
      const answer = error instanceof Error ? error.message : String(error);
      return unpushed(fail("refused", { ...silence(this.path), answer }));
    }
    const { principal, url } = callback;
    const admission = this.#enter(principal, host);
    if (admission.kind !== "go") return unpushed(heldBack(url, admission));
    const target = targetOf(url, host);
    const subscription = subscriptionOf(push.subscription, url);
    const events = [{ ...pushed, event: callback.event }];
    const answer = await pushEvents(target, settings, { ...push, subscription, events }, signal);
    const nowMs = performance.now();
    host.gate.leave(nowMs, isAnswered(answer), answer.durationMs);
    this.#shares.leave(principal, nowMs, answer.durationMs);
    return answer.endpoint === "unsent" ? answer : asOwnAffair(answer);
  }

  /** A place of the principal's, and one of the host's: both, or none. */
  #enter(principal: string, host: CallbackHost): Admission {
    const nowMs = performance.now();
    const share = this.#shares.enter(principal, nowMs);
    if (share.kind !== "go") return share;
    const admission = host.gate.enter(nowMs);
    if (admission.kind !== "go") this.#shares.leave(principal, nowMs, undefined);
    return admission;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#hosts[Symbol.asyncDispose]();
  }
}

function targetOf(url: URL, { dispatcher }: CallbackHost): PushTarget {
  const destination = { url: url.href, dispatcher, noteReached: () => undefined };
  return {
    own: false,
    path: url.pathname + url.search,
    mode: "binary",
    next: () => destination,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function subscriptionOf(subscription: PushSubscription, url: URL): PushSubscription {
  return { ...subscription, secretSeeds: callbackSeeds(url.origin), maxDataBytes };
}

function isAnswered({ endpoint, status }: PushAnswer): boolean | undefined {
  return endpoint === "unsent" ? undefined : endpoint === "answered" || status !== 0;
}

/** What its host did with a callback, as said of the callback alone. */
function asOwnAffair(answer: PushAnswer): PushAnswer {
  const outcomes = answer.outcomes.map((outcome): PushOutcome => {
    if (outcome.kind === "away") return { ...outcome, kind: "retry" };
    return outcome.kind === "gone" ? { ...outcome, kind: "refused" } : outcome;
  });
  return { ...answer, outcomes, endpoint: "answered" };
}

function heldBack(url: URL, { kind, waitMs }: Exclude<Admission, { kind: "go" }>): PushOutcome {
  const failure = { ...silence(url.href), retryAfterMs: waitMs };
  if (kind === "silent") {
    return fail("retry", { ...failure, answer: "not sent: its host has not answered the last callbacks" });
  }
  return fail("retry", {
    ...failure,
    answer: "not sent: its host, or its principal, has enough under way",
    untried: true,
  });
}

function silence(destination: string): PushFailure {
  return { destination, status: 0, answer: "", retryAfterMs: undefined };
}

function unpushed(outcome: PushOutcome): PushAnswer {
  const destination = outcome.kind === "acknowledged" ? "" : outcome.destination;
  return { outcomes: [outcome], replies: [], endpoint: "answered", durationMs: 0, destination, status: 0 };
}
