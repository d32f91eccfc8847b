/** Work that is begun in one turn of the event loop: after so long, what comes waits for the next turn. */
const sliceMs = 20;
const mostAtOnce = 32;
/** libuv takes one new connection a turn, and reads it in the next: so many turns in which nobody came, and all are in. */
const allIn = 3;
const maxIntakeMs = 100;

/**
 * Spreads work over turns of the event loop, in which a handler that computes keeps all others from their turn.
 *
 * Without this, two things go wrong under load. The sockets of all who came meanwhile are ready, and Node goes on from
 * one to the next: hundreds are begun before a timer, a refusal or a health check has its turn, and none of them counts
 * as under way with others. And as one new connection is taken each turn, one turn's work for each, new connections wait
 * before the door until those who made them have gone; then the work is for nobody.
 *
 * So little is begun in one turn, and after a long one those who had to wait for its end come in first: until nobody
 * does for some turns, but for no longer than the long one took.
 */
export class LoopTurn {
  #beganMs: number | undefined;
  #atOnce = 1;
  #quietTurns = 0;
  #intakeUntilMs = Number.NEGATIVE_INFINITY;

  /** Notes one that came. True when it may begin in this very turn. */
  mayBegin(): boolean {
    this.#quietTurns = 0;
    return this.#track() <= sliceMs && !this.#takesIn();
  }

  /** How many of those who wait may begin now: more after short turns, one after a long one. Asked once a turn. */
  share(): number {
    this.#track();
    return this.#takesIn() ? 0 : this.#atOnce;
  }

  #takesIn(): boolean {
    return this.#quietTurns < allIn && performance.now() < this.#intakeUntilMs;
  }

  /** The time that this turn has taken so far, as far as it was noticed. */
  #track(): number {
    const now = performance.now();
    if (this.#beganMs === undefined) {
      this.#beganMs = now;
      setImmediate(() => this.#end(now));
    }
    return now - this.#beganMs;
  }

  #end(beganMs: number): void {
    const now = performance.now();
    const tookMs = now - beganMs;
    this.#beganMs = undefined;
    this.#quietTurns += 1;
    if (tookMs <= sliceMs) {
      this.#atOnce = Math.min(mostAtOnce, this.#atOnce * 2);
      return;
    }
    this.#atOnce = 1;
    this.#quietTurns = 0;
    this.#intakeUntilMs = now + Math.min(maxIntakeMs, tookMs);
  }
}
