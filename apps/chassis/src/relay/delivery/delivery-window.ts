import type { WindowSlot } from "./pending-event.ts";

/** Slots that have ended are let go in pieces of this many, so that none is moved more than once. */
const pieceSlots = 4_096;

/**
 * Which events of a subscription have not ended, and how far its cursor may move: up to just before the first of them.
 * Each step takes the same time however many events there are. Pure.
 */
export class DeliveryWindow {
  #slots: WindowSlot[] = [];
  #first = 0;
  #scannedTo: bigint;
  #size = 0;
  #bytes = 0;

  constructor(cursor: bigint) {
    this.#scannedTo = cursor;
  }

  /** Events that have not ended. */
  get size(): number {
    return this.#size;
  }

  /** What they take. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Events from the first that has not ended on, those that have ended included. */
  get span(): number {
    return this.#slots.length - this.#first;
  }

  /** How far the log was looked at. */
  get scannedTo(): bigint {
    return this.#scannedTo;
  }

  /** Begins an event. They begin in sequence order. */
  begin(seq: bigint, bytes: number): WindowSlot {
    const slot: WindowSlot = { seq, bytes, ended: false };
    this.#slots.push(slot);
    this.#size += 1;
    this.#bytes += bytes;
    return slot;
  }

  /** The event is delivered, parked or dead. Twice is once. */
  end(slot: WindowSlot): void {
    if (slot.ended) return;
    slot.ended = true;
    this.#size -= 1;
    this.#bytes -= slot.bytes;
    while (this.#slots[this.#first]?.ended) this.#first += 1;
    if (this.#first < pieceSlots && this.#first < this.#slots.length) return;
    this.#slots = this.#slots.slice(this.#first);
    this.#first = 0;
  }

  scanned(to: bigint): void {
    if (to > this.#scannedTo) this.#scannedTo = to;
  }

  /** Everything at or below has ended. */
  get cursor(): bigint {
    const first = this.#slots[this.#first];
    return first === undefined ? this.#scannedTo : first.seq - 1n;
  }
}
