import type { PushOutcome } from "./push/push-outcome.ts";

/** Is told what a relay does, as it does it: for metrics. Must not throw. */
export interface RelayObserver {
  /** Events of an outbox are in the log. */
  captured(source: string, events: number): void;
  repaired(source: string, reason: string, events: number): void;
  /** A push of so many events ended. */
  pushed(subscription: string, outcome: PushOutcome["kind"], events: number, durationMs: number): void;
  buried(subscription: string): void;
}

export const silentObserver: RelayObserver = {
  captured: () => undefined,
  repaired: () => undefined,
  pushed: () => undefined,
  buried: () => undefined,
};
