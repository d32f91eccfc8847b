import type { Registry } from "@bufbuild/protobuf";
import { QuartetError } from "../error/quartet-error.ts";

/** How a handler publishes an event. */
export interface PublishOptions {
  /** Orders the event: events of one key are delivered in commit order. 1 to 255 characters. */
  readonly key?: string;
  /** Nobody gets the event before; then it takes its place behind what was published meanwhile. */
  readonly deliverAfter?: Date;
}

/** How code that is no handler publishes an event. */
export interface OwnPublishOptions extends PublishOptions {
  /** A UUIDv7, by which the event is published once. By default a new one. Not beside `cause`. */
  readonly id?: string;
  /** What makes the same step, done twice, publish the same event: the id is derived of both. */
  readonly cause?: EventCause;
  /** What caused the event. By default the id of its cause. */
  readonly causationId?: string;
  /** What the event belongs to, such as an operation. */
  readonly correlationId?: string;
  /** W3C Trace Context. */
  readonly traceparent?: string;
  /** Resolves messages of the domain inside an `Any`. By default the platform's own are. */
  readonly registry?: Registry;
}

/** The step that publishes an event. */
export interface EventCause {
  /** UUIDv7 of the event, or of the operation, that causes it. */
  readonly id: string;
  /** Which of the cause's events it is, from 0. */
  readonly ordinal: number;
}

const uuidV7 = /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/;
const traceContext = /^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}$/;
const unstorable = /\0|\p{Surrogate}/u;
/** As the columns of the outbox have it. */
const longestText = 255;

/**
 * @param path what errors put before an option's name
 * @throws QuartetError `invalid_argument` with the option as `field`.
 */
export function checkPublishOptions(options: OwnPublishOptions, path: string = ""): void {
  const { key, id, cause, traceparent, deliverAfter } = options;
  if (key !== undefined) checkEventKey(key, `${path}key`);
  if (id !== undefined && cause !== undefined) throw fault(`${path}id`, "is given beside a cause");
  if (id !== undefined) checkId(id, `${path}id`);
  if (cause !== undefined) checkCause(cause, `${path}cause`);
  for (const name of ["causationId", "correlationId"] as const) {
    const text = options[name];
    if (text !== undefined) checkText(text, path + name);
  }
  if (traceparent !== undefined && !traceContext.test(traceparent)) {
    throw fault(`${path}traceparent`, "is none of W3C Trace Context");
  }
  if (deliverAfter !== undefined && Number.isNaN(deliverAfter.getTime())) {
    throw fault(`${path}deliverAfter`, "is no time");
  }
}

/** @throws QuartetError `invalid_argument` for a key that the outbox cannot hold, or that is empty. */
export function checkEventKey(key: string, field: string): void {
  if (key === "") throw fault(field, "is empty", "Leave it out where nothing orders the event.");
  checkText(key, field);
}

function checkCause(cause: EventCause, field: string): void {
  checkId(cause.id, `${field}.id`);
  if (!Number.isSafeInteger(cause.ordinal) || cause.ordinal < 0) {
    throw fault(`${field}.ordinal`, "is no whole number from 0");
  }
}

function checkId(id: string, field: string): void {
  // The outbox is partitioned by the time in it.
  if (!uuidV7.test(id)) throw fault(field, "is no UUIDv7 in lower case", "Make one with createEventId().");
}

function checkText(text: string, field: string): void {
  if (unstorable.test(text)) throw fault(field, "contains U+0000, or half of a surrogate pair");
  // Postgres counts code points.
  if (text.length > longestText && [...text].length > longestText) {
    throw fault(field, `is longer than ${longestText} characters`);
  }
}

function fault(field: string, what: string, fix?: string): QuartetError {
  return new QuartetError("invalid_argument", `${field} ${what}.`, {
    field,
    ...(fix === undefined ? {} : { fix }),
  });
}
