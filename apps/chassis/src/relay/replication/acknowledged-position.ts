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
 * Two promises: the position never passes a received commit that was not acknowledged, nor one that is partial; and it
 * never goes back. `acknowledge` snaps down to a received commit end, so that an LSN that lies between two commits,
 * or beyond the last, acknowledges only what was received.
 *
 * Idle, the position follows the WAL ends that the server names ("passed"), so that an outbox nobody writes to holds no
 * WAL. A WAL end that is named while something is in flight is kept and taken once idle: frames are ordered, so all
 * that commits before it had been received by then.
 */
export class AcknowledgedPosition {
  #acknowledged: Lsn = zeroLsn;
  #passed: Lsn = zeroLsn;
  #partial = false;
  /** Received commit ends, ascending; those before #first are acknowledged. */
  #received: Lsn[] = [];
  #first = 0;

  get acknowledged(): Lsn {
    return this.#acknowledged;
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

  /** A transaction arrived completely and there is nothing to store: it is empty, or stored already. */
  commitPassed(commitEnd: Lsn): void {
    this.#partial = false;
    this.pass(commitEnd);
  }

  /** The server has nothing more to send up to this WAL end. */
  pass(walEnd: Lsn): void {
    if (walEnd > this.#passed) this.#passed = walEnd;
    this.#followPassed();
  }

  /** Every commit up to and including this one is durably stored. */
  acknowledge(commitEnd: Lsn): void {
    let next = this.#received[this.#first];
    while (next !== undefined && next <= commitEnd) {
      this.#advance(next);
      this.#first++;
      next = this.#received[this.#first];
    }
    this.#compact();
    this.#followPassed();
  }

  #followPassed(): void {
    if (!this.#partial && this.inFlight === 0) this.#advance(this.#passed);
  }

  #advance(position: Lsn): void {
    if (position > this.#acknowledged) this.#acknowledged = position;
  }

  #compact(): void {
    if (this.#first >= compactAfter && this.#first * 2 >= this.#received.length) {
      this.#received = this.#received.slice(this.#first);
      this.#first = 0;
    }
  }
}
