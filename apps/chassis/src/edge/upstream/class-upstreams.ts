import { type ServiceClass, serviceClasses } from "../../class/service-class.ts";
import { ReplicaPlaces } from "./replica-places.ts";
import { UpstreamPool } from "./upstream-pool.ts";

/** URLs of the processes of each class, as the environment names them. */
export type ClassUrls = Readonly<Record<ServiceClass, readonly string[]>>;

/** The processes of all classes that this one sends requests to. */
export class ClassUpstreams implements AsyncDisposable {
  /** Where their databases are. */
  readonly places = new ReplicaPlaces();
  readonly #pools: ReadonlyMap<ServiceClass, UpstreamPool>;

  constructor(urls: ClassUrls) {
    this.#pools = new Map(serviceClasses.map((name) => [name, new UpstreamPool(urls[name])]));
  }

  of(serviceClass: ServiceClass): UpstreamPool {
    const pool = this.#pools.get(serviceClass);
    if (pool === undefined) throw new TypeError(`no pool for ${serviceClass}`);
    return pool;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool[Symbol.asyncDispose]()));
  }
}
