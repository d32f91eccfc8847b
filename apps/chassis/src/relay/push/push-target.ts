import { type Dispatcher, Pool } from "undici";
import { isServiceClass } from "../../class/service-class.ts";
import { inboxPath } from "../../edge/inbox-endpoint.ts";
import type { ClassUpstreams } from "../../edge/upstream/class-upstreams.ts";
import { type Upstream, UpstreamPool } from "../../edge/upstream/upstream-pool.ts";
import { QuartetError } from "../../error/quartet-error.ts";
import { ContentMode } from "../../gen/quartet/v1/options_pb.ts";
import type { Subscription } from "../../gen/quartet/v1/subscription_pb.ts";
import { createGuardedConnect, type OutsideReach } from "../../wire/http/guarded-connect.ts";
import { type PushRequest, sendPush } from "./send-push.ts";

export type PushMode = "binary" | "structured" | "batch";

/** One process that can be pushed to. */
export interface PushDestination {
  /** Scheme, host and path. */
  readonly url: string;
  readonly dispatcher: Dispatcher;
  /** What a push told of the process; the next in turn are chosen by it, those of other subscriptions too. */
  noteReached(reached: boolean): void;
}

/**
 * Where the pushes of one subscription go, over connections that no other subscription uses: one that hangs costs the
 * others none. Disposing it cuts off what is under way.
 */
export interface PushTarget extends AsyncDisposable {
  /** The endpoint is a class of this domain, not a stranger's. */
  readonly own: boolean;
  readonly path: string;
  readonly mode: PushMode;
  /** The process whose turn it is; undefined when none is known. */
  next(): PushDestination | undefined;
}

/** What of a subscription says where and how it is pushed. */
export type TargetSubscription = Pick<Subscription, "endpoint" | "mode" | "concurrency">;

const defaultConcurrency = 16;
const connectTimeoutMs = 5_000;
const ownConnectTimeoutMs = 1_000;
const wellTimeoutMs = 1_000;

/**
 * Resolves a subscription's endpoint: `class:micro` means the processes of that class as the relay's environment names
 * them; where it names none, the crud class, which may do everything. What is no class is a stranger, and reached only
 * where `reach` lets it.
 *
 * @throws QuartetError `invalid_argument` for what is neither a class nor an http(s) URL without credentials.
 */
export function resolveTarget(
  subscription: TargetSubscription,
  upstreams: ClassUpstreams,
  reach: OutsideReach,
): PushTarget {
  const { endpoint } = subscription;
  const serviceClass = /^class:(\w+)$/.exec(endpoint)?.[1];
  if (serviceClass !== undefined && isServiceClass(serviceClass)) {
    const known = upstreams.of(serviceClass);
    const processes = known.isEmpty ? upstreams.of("crud") : known;
    return new PooledTarget(subscription, { reach: undefined, path: inboxPath, processes });
  }
  const url = parseEndpoint(endpoint);
  const processes = new UpstreamPool([url.origin]);
  return new PooledTarget(subscription, { reach, path: url.pathname + url.search, processes });
}

function parseEndpoint(endpoint: string): URL {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new QuartetError("invalid_argument", `"${endpoint}" is no endpoint.`, {
      fix: "Use class:crud, class:micro, class:lambda, or an http(s) URL.",
    });
  }
  // They would be stored, logged and shown in the clear; and pushes are signed.
  if (url.username !== "" || url.password !== "") {
    throw new QuartetError("invalid_argument", `The endpoint at ${url.host} has credentials in its URL.`, {
      fix: "Leave them out and verify the signature of the pushes.",
    });
  }
  return url;
}

/** Binary mode is the default of the field; our own inbox wants all it acts on inside the signed body. */
function modeOf(mode: ContentMode, own: boolean): PushMode {
  if (mode === ContentMode.BATCH) return "batch";
  if (own || mode === ContentMode.STRUCTURED) return "structured";
  return "binary";
}

interface Place {
  /** Undefined for a class of ours. */
  readonly reach: OutsideReach | undefined;
  readonly path: string;
  readonly processes: UpstreamPool;
}

class PooledTarget implements PushTarget {
  readonly own: boolean;
  readonly path: string;
  readonly mode: PushMode;
  readonly #reach: OutsideReach | undefined;
  readonly #processes: UpstreamPool;
  readonly #connections: number;
  readonly #destinations = new Map<Upstream, PushDestination>();

  constructor(subscription: TargetSubscription, { reach, path, processes }: Place) {
    this.own = reach === undefined;
    this.#reach = reach;
    this.path = path;
    this.mode = modeOf(subscription.mode, this.own);
    this.#processes = processes;
    // One more than pushes, so that the question whether it is well needs not wait for a push that hangs.
    this.#connections = (subscription.concurrency || defaultConcurrency) + 1;
  }

  next(): PushDestination | undefined {
    const [upstream] = this.#processes.candidates();
    if (upstream === undefined) return undefined;
    let destination = this.#destinations.get(upstream);
    if (destination === undefined) {
      destination = this.#open(upstream);
      this.#destinations.set(upstream, destination);
    }
    return destination;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const destinations = [...this.#destinations.values()];
    this.#destinations.clear();
    await Promise.all(destinations.map(({ dispatcher }) => dispatcher.destroy()));
    // The pool of a class is everybody's.
    if (!this.own) await this.#processes[Symbol.asyncDispose]();
  }

  #open(upstream: Upstream): PushDestination {
    const processes = this.#processes;
    const dispatcher = new Pool(new URL(upstream.url).origin, {
      connections: this.#connections,
      ...connectingBy(this.#reach),
      allowH2: false,
      pipelining: 1,
      // A push has one limit for all of it (send-push.ts).
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    const noteReached = (reached: boolean) => {
      if (!reached) return processes.markDown(upstream);
      upstream.failures = 0;
      upstream.downUntilMs = 0;
    };
    return { url: upstream.url + this.path, dispatcher, noteReached };
  }
}

/** Connections to strangers are guarded, each one anew. */
export function connectingBy(reach: OutsideReach | undefined): Pool.Options {
  if (reach === undefined) return { connectTimeout: ownConnectTimeoutMs };
  return { connect: createGuardedConnect(reach, connectTimeoutMs) };
}

/** Whether an endpoint is well: one of ours that says so itself. Of a stranger's nothing is known but its answers. */
export async function isWell(target: PushTarget): Promise<boolean> {
  if (!target.own) return true;
  const destination = target.next();
  if (destination === undefined) return false;
  const request: PushRequest = { method: "GET", path: "/readyz", headers: [], body: null };
  const answer = await sendPush(destination.dispatcher, request, () => 0, wellTimeoutMs, undefined);
  return answer.status === 200;
}
