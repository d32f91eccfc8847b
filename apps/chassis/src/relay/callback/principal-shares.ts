import { type Admission, HostGate } from "./host-gate.ts";

/** Callbacks of one principal under way at once, of 64 in all. */
export const mostOfPrincipal = 16;

/**
 * What each principal may have of the callbacks. Hosts are as many as somebody has names for them: whoever gives a new one
 * that hangs with each command would else have all places.
 */
export class PrincipalShares {
  /** Of those who have callbacks under way. What an idle one has learned is of no use. */
  readonly #gates = new Map<string, HostGate>();

  /** Begins a callback when it may: each one that goes has to end. Nobody is silent here, whatever their hosts are. */
  enter(principal: string, nowMs: number): Admission {
    const gate = this.#gates.get(principal) ?? new HostGate(mostOfPrincipal);
    this.#gates.set(principal, gate);
    return gate.enter(nowMs);
  }

  /** @param durationMs undefined: it was not made */
  leave(principal: string, nowMs: number, durationMs: number | undefined): void {
    const gate = this.#gates.get(principal);
    gate?.leave(nowMs, durationMs === undefined ? undefined : true, durationMs ?? 0);
    if (gate?.isIdle) this.#gates.delete(principal);
  }
}
