import { Pool } from "undici";
import type { OutsideReach } from "../../wire/http/guarded-connect.ts";
import { connectingBy } from "../push/push-target.ts";
import { HostGate, mostUnderWay } from "./host-gate.ts";

/** A host that callbacks go to, by connections of its own. */
export interface CallbackHost {
  readonly gate: HostGate;
  readonly dispatcher: Pool;
}

const mostHosts = 1_000;

/** The hosts of callbacks, each with its own limits. Of more than a thousand, the ones that were idle longest are closed. */
export class CallbackHosts implements AsyncDisposable {
  readonly #reach: OutsideReach;
  readonly #hosts = new Map<string, CallbackHost>();

  constructor(reach: OutsideReach) {
    this.#reach = reach;
  }

  /** @param origin scheme, host and port, as `URL` prints them */
  of(origin: string): CallbackHost {
    const known = this.#hosts.get(origin);
    if (known !== undefined) return known;
    if (this.#hosts.size >= mostHosts) this.#closeIdle();
    const host = { gate: new HostGate(), dispatcher: this.#open(origin) };
    this.#hosts.set(origin, host);
    return host;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const hosts = [...this.#hosts.values()];
    this.#hosts.clear();
    await Promise.all(hosts.map(({ dispatcher }) => dispatcher.destroy()));
  }

  /** A tenth of them at once: looking for them costs once in a hundred new hosts. */
  #closeIdle(): void {
    const idle = [...this.#hosts].filter(([, { gate }]) => gate.isIdle);
    idle.sort(([, one], [, other]) => one.gate.lastUsedMs - other.gate.lastUsedMs);
    for (const [origin, { dispatcher }] of idle.slice(0, mostHosts / 10)) {
      this.#hosts.delete(origin);
      dispatcher.destroy().catch(() => undefined);
    }
  }

  #open(origin: string): Pool {
    return new Pool(origin, {
      connections: mostUnderWay,
      ...connectingBy(this.#reach),
      allowH2: false,
      pipelining: 1,
      // A push has one limit for all of it (send-push.ts).
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }
}
