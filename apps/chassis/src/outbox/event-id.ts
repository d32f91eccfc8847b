import { hash, randomFillSync } from "node:crypto";

/** A new UUIDv7 (RFC 9562, section 5.7) for an event without a cause. */
export function createEventId(now: number = Date.now()): string {
  return formatUuidV7(now, takeRandom());
}

const randomBytesEach = 10;
/** Filled for hundreds of ids at once: asking the operating system takes longer than all else of an id. */
const randomPool = Buffer.alloc(400 * randomBytesEach);
let taken = randomPool.length;

function takeRandom(): Buffer {
  if (taken === randomPool.length) {
    randomFillSync(randomPool);
    taken = 0;
  }
  taken += randomBytesEach;
  return randomPool.subarray(taken - randomBytesEach, taken);
}

/**
 * The id of an event that a step publishes: UUIDv7-shaped, with the time of its cause and 74 bits of SHA-256 over
 * cause and ordinal. The same step done twice publishes the same id, so the second one is dropped; and derived ids
 * stay in the time partition of their cause, which a UUIDv5 would not.
 *
 * @param causeId UUIDv7 of the event or operation that caused the step
 * @param discriminator what tells apart the events of one step, such as `intents/0`
 */
export function deriveEventId(causeId: string, discriminator: string): string {
  const digest = hash("sha256", `${causeId}\0${discriminator}`, "buffer");
  return formatUuidV7(timeOfEventId(causeId), digest);
}

/**
 * The id of an event that a subscriber of another publishes because of it, whichever class the subscriber is and whoever
 * stores the event: a micro in its outbox, or a relay that a lambda has answered. So a push that is done again elsewhere
 * publishes nothing new.
 *
 * @param ordinal among what it publishes, from 0
 */
export function deriveReplyId(eventId: string, subscription: string, ordinal: number): string {
  return deriveEventId(eventId, `reply/${subscription}/${ordinal}`);
}

/** The time in ms that a UUIDv7 carries. */
export function timeOfEventId(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

function formatUuidV7(timeMs: number, bits: Buffer): string {
  const time = timeMs.toString(16).padStart(12, "0").slice(-12);
  const a = (0x7000 | (bits.readUInt16BE(0) & 0x0fff)).toString(16);
  const b = (0x8000 | (bits.readUInt16BE(2) & 0x3fff)).toString(16);
  return `${time.slice(0, 8)}-${time.slice(8)}-${a}-${b}-${bits.toString("hex", 4, 10)}`;
}
