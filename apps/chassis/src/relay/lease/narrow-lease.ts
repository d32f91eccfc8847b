import type { Lease } from "./lease.ts";
import { askFirst } from "./timed-signal.ts";

/** The same lease for work that is to end sooner: with its signal, or with another. */
export function narrowLease(lease: Lease, ...others: readonly AbortSignal[]): Lease {
  const signal = AbortSignal.any([lease.signal, ...others]);
  // Asking the lease's own has it look at the clock, and this one follows.
  askFirst(signal, () => void lease.signal.aborted);
  return { ...lease, signal };
}
