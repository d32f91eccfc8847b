import type { PushAnswer, PushOutcome } from "../push/push-outcome.ts";
import { isWell, type PushTarget } from "../push/push-target.ts";
import type { RelayObserver } from "../relay-observer.ts";
import type { FailureLog } from "./failure-log.ts";
import type { PendingEvent } from "./pending-event.ts";
import { Suspicions } from "./suspicions.ts";

/** What a run learns of its endpoint from answers, and tells others. */
export class EndpointWatch {
  readonly #target: PushTarget;
  readonly #subscription: string;
  readonly #observer: RelayObserver;
  readonly #failures: FailureLog;
  readonly #suspicions = new Suspicions();

  constructor(target: PushTarget, subscription: string, observer: RelayObserver, failures: FailureLog) {
    this.#target = target;
    this.#subscription = subscription;
    this.#observer = observer;
    this.#failures = failures;
  }

  isSuspect({ event }: PendingEvent): boolean {
    return this.#suspicions.isSuspect(event.eventId);
  }

  forget({ event }: PendingEvent): void {
    this.#suspicions.forget(event.eventId);
  }

  /** Asks an endpoint of ours that did not judge its events how it is: to tell it from an event that it cannot take. */
  async suspect(events: readonly PendingEvent[], answer: PushAnswer): Promise<void> {
    this.#failures.noteAway(answer);
    if (answer.endpoint !== "overloaded") return;
    const misfire = { wellOtherwise: await isWell(this.#target), unanswered: answer.status === 0 };
    for (const [index, { event }] of events.entries()) {
      if (answer.outcomes[index]?.kind === "away") this.#suspicions.note(event.eventId, misfire);
    }
  }

  observe(answer: PushAnswer): void {
    if (answer.endpoint === "answered") this.#failures.noteAnswered();
    const counts = new Map<PushOutcome["kind"], number>();
    for (const outcome of answer.outcomes) {
      counts.set(outcome.kind, (counts.get(outcome.kind) ?? 0) + 1);
      if (outcome.kind !== "acknowledged" && outcome.kind !== "away") this.#failures.noteFailed(outcome);
    }
    for (const [kind, count] of counts) {
      this.#observer.pushed(this.#subscription, kind, count, answer.durationMs);
    }
  }
}
