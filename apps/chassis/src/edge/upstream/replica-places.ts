import type { IncomingHttpHeaders } from "node:http";
import { type Position, parseIfPosition } from "../../position/position.ts";
import type { Upstream } from "./upstream-pool.ts";

/** What an upstream said of where its database is. */
interface Place {
  readonly position: Position;
  /** It had not reached what it was asked for: until then, in ms of the monotonic clock, it is asked last. */
  readonly behindUntilMs: number;
}

const askAgainMs = 250;

/** Upstreams in the order in which a read asks them. */
export interface ReadOrder {
  /** Those known to be there, then those of which it is not known. */
  readonly promising: readonly Upstream[];
  /** Those that were behind a moment ago: to be asked when nobody else answers. */
  readonly behind: readonly Upstream[];
}

/** Where the databases behind the upstreams are, as their answers tell: so that a read asks first who can answer it. */
export class ReplicaPlaces {
  readonly #places = new WeakMap<Upstream, Place>();

  /** Takes notice of the place in an answer's headers: where it has read, or where it is that is short of what was asked. */
  learn(upstream: Upstream, headers: IncomingHttpHeaders, nowMs: number = performance.now()): void {
    const replayed = positionOf(headers, "quartet-replayed");
    const position = replayed ?? positionOf(headers, "quartet-position");
    if (position === undefined) return;
    this.#places.set(upstream, {
      position,
      behindUntilMs: replayed === undefined ? 0 : nowMs + askAgainMs,
    });
  }

  /** Keeps the turn of those that are alike. */
  order(
    candidates: readonly Upstream[],
    asked: Position | undefined,
    nowMs: number = performance.now(),
  ): ReadOrder {
    if (asked === undefined) return { promising: candidates, behind: [] };
    const there: Upstream[] = [];
    const unknown: Upstream[] = [];
    const behind: Upstream[] = [];
    for (const upstream of candidates) {
      const place = this.#places.get(upstream);
      if (place !== undefined && isThere(place.position, asked)) there.push(upstream);
      else if (place !== undefined && place.behindUntilMs > nowMs) behind.push(upstream);
      else unknown.push(upstream);
    }
    return { promising: [...there, ...unknown], behind };
  }
}

function positionOf(headers: IncomingHttpHeaders, name: string): Position | undefined {
  const text = headers[name];
  return typeof text === "string" ? parseIfPosition(text) : undefined;
}

function isThere(place: Position, asked: Position): boolean {
  return place.systemId === asked.systemId && place.timeline === asked.timeline && place.lsn >= asked.lsn;
}
