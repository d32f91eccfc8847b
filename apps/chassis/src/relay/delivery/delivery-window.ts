/**
 * Which events of a subscription are under way, and how far its cursor may move: up to just before the first one that
 * has not ended. Pure.
 */
export class DeliveryWindow {
  /** In sequence order, since events begin in that order. */
  readonly #underWay = new Map<bigint, true>();
  #scannedTo: bigint;

  constructor(cursor: bigint) {
    this.#scannedTo = cursor;
  }

  get size(): number {
    return this.#underWay.size;
  }

  /** How far the log was looked at. */
  get scannedTo(): bigint {
    return this.#scannedTo;
  }

  begin(seq: bigint): void {
    this.#underWay.set(seq, true);
  }

  /** The event is delivered, parked or dead. */
  end(seq: bigint): void {
    this.#underWay.delete(seq);
  }

  scanned(to: bigint): void {
    if (to > this.#scannedTo) this.#scannedTo = to;
  }

  /** Everything at or below has ended. */
  get cursor(): bigint {
    const [first] = this.#underWay.keys();
    return first === undefined ? this.#scannedTo : first - 1n;
  }
}
