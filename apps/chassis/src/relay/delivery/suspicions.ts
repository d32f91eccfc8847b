/** Failures of an event at an endpoint that is well, after which the event is to blame. */
const suspectAfter = 8;
/** Failures of an event whose endpoint took the connection and gave no answer, well or not: it may be killing it. */
const suspectUnansweredAfter = 60;

/** One attempt that an endpoint did not judge: 503, a lost connection, silence. */
export interface Misfire {
  /** The endpoint is known to be well in spite of it. */
  readonly wellOtherwise: boolean;
  /** The connection was there, and no answer came. */
  readonly unanswered: boolean;
}

/**
 * Tells an event that its endpoint cannot take from an endpoint that cannot take any. Both look the same in one
 * answer.
 */
export class Suspicions {
  readonly #events = new Map<string, { blamed: number; unanswered: number }>();

  note(eventId: string, misfire: Misfire): void {
    const suspicion = this.#events.get(eventId) ?? { blamed: 0, unanswered: 0 };
    if (misfire.wellOtherwise) suspicion.blamed += 1;
    if (misfire.unanswered) suspicion.unanswered += 1;
    this.#events.set(eventId, suspicion);
  }

  isSuspect(eventId: string): boolean {
    const suspicion = this.#events.get(eventId);
    if (suspicion === undefined) return false;
    return suspicion.blamed >= suspectAfter || suspicion.unanswered >= suspectUnansweredAfter;
  }

  /** The event has ended. */
  forget(eventId: string): void {
    this.#events.delete(eventId);
  }
}
