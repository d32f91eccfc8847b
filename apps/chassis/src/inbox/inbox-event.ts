import { createHash } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import type { JsonValue } from "@bufbuild/protobuf";
import { QuartetError } from "../error/quartet-error.ts";
import type { CloudEvent } from "../wire/cloud-event/cloud-event.ts";

/** An event as an inbox hands it to its handler: the CloudEvent, and what the platform's attributes say. */
export interface InboxEvent extends CloudEvent {
  /** Orders it: `partitionkey`, or its own id when it has none. */
  readonly key: string;
  /** Which attempt this is, from 1, as far as the sender tells. */
  readonly attempt: number;
  /** Of a Quartet relay: for which subscription it is pushed. */
  readonly subscription: string | undefined;
  /**
   * Its data as JSON.
   *
   * @throws QuartetError `unprocessable_event` when they are none: it becomes a dead letter.
   */
  json(): JsonValue;
}

/** An entry of an inbox. */
export interface InboxKey {
  readonly consumer: string;
  readonly eventId: string;
}

/** In binary mode the attempt is a header; where the body says it, the body counts, since it is signed. */
export function toInboxEvent(event: CloudEvent, headers: IncomingHttpHeaders): InboxEvent {
  const { extensions } = event;
  return {
    ...event,
    key: extensions["partitionkey"] || event.id,
    attempt: readAttempt(extensions["quartetattempt"] ?? headers["quartet-attempt"]),
    subscription: extensions["quartetsubscription"],
    json: () => parseEventData(event.data),
  };
}

/** @returns 1 for what is no attempt. */
export function readAttempt(text: string | readonly string[] | undefined): number {
  return typeof text === "string" && /^[1-9]\d{0,8}$/.test(text) ? Number(text) : 1;
}

// Making one takes longer than decoding with it.
const decoder = new TextDecoder("utf-8", { fatal: true });

/** @throws QuartetError `unprocessable_event` */
export function parseEventData(data: Uint8Array | undefined): JsonValue {
  try {
    return JSON.parse(decoder.decode(data)) as JsonValue;
  } catch (cause) {
    throw new QuartetError("unprocessable_event", "The event's data are not JSON.", { cause });
  }
}

/** Longest text that goes into the inbox' primary key as it is: two of these fit a B-tree entry. */
const longestPart = 512;

/**
 * What makes an event's effect happen once. CloudEvents are told apart by source and id together; the ids of a Quartet
 * relay, which says `quartetsubscription`, are unique by themselves, and may come from another source after an outbox has
 * moved. No attribute can hold a tab, so source and id cannot be taken for others. What is too long for an index entry is
 * there as its SHA-256.
 *
 * @param consumer undefined: the subscription of a relay, the source of a stranger
 */
export function inboxKeyOf(event: InboxEvent, consumer: string | undefined): InboxKey {
  const { subscription, source, id } = event;
  return {
    consumer: shorten(consumer ?? subscription ?? source),
    eventId: shorten(subscription === undefined ? `${source}\t${id}` : id),
  };
}

function shorten(text: string): string {
  if (text.length <= longestPart) return text;
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}
