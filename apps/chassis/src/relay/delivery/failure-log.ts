import type { Logger } from "pino";
import type { PushAnswer, PushFailure } from "../push/push-outcome.ts";
import type { Burial } from "./bury-event.ts";

/** Thousands of events may fail in a second: their attempts are recorded, and one a second is logged. */
const quietMs = 1_000;

/** What a run tells people about failures. */
export class FailureLog {
  readonly #logger: Logger;
  readonly #subscription: string;
  #isAway = false;
  #quietUntilMs = 0;
  #unsaid = 0;

  constructor(logger: Logger, subscription: string) {
    this.#logger = logger;
    this.#subscription = subscription;
  }

  noteFailed({ status, answer, destination }: PushFailure): void {
    const nowMs = performance.now();
    this.#unsaid += 1;
    if (nowMs < this.#quietUntilMs) return;
    this.#quietUntilMs = nowMs + quietMs;
    const facts = { subscription: this.#subscription, status, answer, destination, failed: this.#unsaid };
    this.#unsaid = 0;
    this.#logger.warn(facts, "push failed");
  }

  noteAway(answer: PushAnswer): void {
    if (this.#isAway) return;
    const failure = answer.outcomes.find((outcome) => outcome.kind === "away");
    if (failure?.kind !== "away") return;
    this.#isAway = true;
    const { status, destination } = failure;
    const facts = { subscription: this.#subscription, destination, status, answer: failure.answer };
    this.#logger.warn(facts, "endpoint is away");
  }

  /** Its endpoint has judged a push. */
  noteAnswered(): void {
    this.#isAway = false;
  }

  noteDead({ event, attempts, failure }: Burial): void {
    const { eventId, type } = event;
    const { status, answer } = failure;
    const facts = { subscription: this.#subscription, event: eventId, type, attempts, status, answer };
    this.#logger.error(facts, "dead letter");
  }

  noteGone(destination: string): void {
    this.#logger.error(
      { subscription: this.#subscription, destination },
      "endpoint is gone; subscription paused",
    );
  }

  noteFault(what: string, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.#logger.warn({ subscription: this.#subscription, reason }, `could not ${what}; trying again`);
  }
}
