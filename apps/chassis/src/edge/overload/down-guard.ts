import { type ServiceClass, serviceClasses } from "../../class/service-class.ts";
import type { ClassUpstreams } from "../upstream/class-upstreams.ts";
import type { Upstream } from "../upstream/upstream-pool.ts";
import { RetryBudget } from "./retry-budget.ts";
import { UpstreamBreaker } from "./upstream-breaker.ts";

/** Breakers and retry budgets of the calls down: breakers for each upstream, a budget for each class. */
export class DownGuard {
  readonly #breakers = new WeakMap<Upstream, UpstreamBreaker>();
  readonly #budgets: ReadonlyMap<ServiceClass, RetryBudget>;

  constructor() {
    this.#budgets = new Map(serviceClasses.map((name) => [name, new RetryBudget()]));
  }

  breakerOf(upstream: Upstream): UpstreamBreaker {
    const breaker = this.#breakers.get(upstream) ?? new UpstreamBreaker();
    this.#breakers.set(upstream, breaker);
    return breaker;
  }

  budgetOf(serviceClass: ServiceClass): RetryBudget {
    const budget = this.#budgets.get(serviceClass);
    if (budget === undefined) throw new TypeError(`no budget for ${serviceClass}`);
    return budget;
  }

  /** For people and dashboards: of each class that has upstreams. */
  describe(upstreams: ClassUpstreams) {
    return serviceClasses
      .filter((name) => !upstreams.of(name).isEmpty)
      .map((name) => ({
        class: name,
        retryTokens: this.budgetOf(name).tokens,
        upstreams: upstreams.of(name).upstreams.map((upstream) => {
          const { state, methods } = this.breakerOf(upstream);
          return { url: upstream.url, breaker: state, methods };
        }),
      }));
  }
}
