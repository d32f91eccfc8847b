import { type Lsn, zeroLsn } from "./lsn.ts";

/** Settled entries are cut off the front of the list in blocks of at least this many. */
const compactAfter = 4096;

/**
 * What may be reported to the server as flushed. Pure; told of everything in the order it is received.
 *
 * | state    | means                                                    | leaves on                                   |
 * |----------|----------------------------------------------------------|---------------------------------------------|
 * | idle     | all that was received is acknowledged                    | begin → partial                             |
 * | partial  | a transaction has begun and not committed                | commit → in flight; pass → as it was before |
 * | in flight| commits were received that are not acknowledged          | acknowledge of the last of them → idle      |
 *
 * (A transaction may be partial while others are in flight.)
 *
 * Two positions, neither of which ever goes back:
 *
 * - `settled` is as far as may be acknowledged by now: it never passes a commit that was received and not acknowledged,
 *   nor one that is partial. Idle, it follows the WAL ends that the server names ("passed"), so that an outbox nobody
 *   writes to need hold no WAL. A WAL end that is named while something is in flight is kept and taken once idle: frames
 *   are ordered, so all that commits before it had been received by then.
 * - `acknowledged` is what the consumer gave, cut to what was handed over or is settled. It moves by `acknowledge` alone.
 */
export class AcknowledgedPosition {
  #acknowledged: Lsn = zeroLsn;
  #settled: Lsn = zeroLsn;
  #passed: Lsn = zeroLsn;
  #handedOver: Lsn = zeroLsn;
  #partial = false;
  /** Received commit ends, ascending; those before #first are acknowledged. */
  #received: Lsn[] = [];
  #first = 0;

  get acknowledged(): Lsn {
    return this.#acknowledged;
  }

  get settled(): Lsn {
    return this.#settled;
  }

  /** Commits received and not acknowledged. */
  get inFlight(): number {
    return this.#received.length - this.#first;
  }

  /** The first message of a transaction arrived. */
  begin(): void {
    this.#partial = true;
  }

  /** A transaction arrived completely and waits for its acknowledgement. */
  commit(commitEnd: Lsn): void {
    this.#partial = false;
    this.#received.push(commitEnd);
  }

  /** A transaction arrived completely and there is nothing to hand over. */
  commitPassed(commitEnd: Lsn): void {
    this.#partial = false;
    this.pass(commitEnd);
  }

  /** The server has nothing more to send up to this WAL end. */
  pass(walEnd: Lsn): void {
    if (walEnd > this.#passed) this.#passed = walEnd;
    this.#followPassed();
  }

  /** The consumer has all of the transaction that ends here. */
  handOver(commitEnd: Lsn): void {
    if (commitEnd > this.#handedOver) this.#handedOver = commitEnd;
  }

  /** Everything that commits up to this position is durably stored, as the consumer says. */
  acknowledge(lsn: Lsn): void {
    const known = lsn < this.#handedOver ? lsn : this.#handedOver;
    let next = this.#received[this.#first];
    while (next !== undefined && next <= known) {
      this.#settle(next);
      this.#first++;
      next = this.#received[this.#first];
    }
    this.#compact();
    this.#followPassed();
    const limit = lsn < this.#settled ? lsn : this.#settled;
    if (limit > this.#acknowledged) this.#acknowledged = limit;
  }

  #followPassed(): void {
    if (!this.#partial && this.inFlight === 0) this.#settle(this.#passed);
  }

  #settle(position: Lsn): void {
    if (position > this.#settled) this.#settled = position;
  }

  #compact(): void {
    if (this.#first >= compactAfter && this.#first * 2 >= this.#received.length) {
      this.#received = this.#received.slice(this.#first);
      this.#first = 0;
    }
  }
}
