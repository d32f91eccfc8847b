import { createHash } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { QuartetError } from "../error/quartet-error.ts";
import type { CommandMode } from "../schema/method.ts";
import { defaultTimeoutMs, notedDeadline, readDeadline } from "./deadline.ts";
import { readEntityTags, readIfMatch } from "./entity-tag.ts";
import { readPrefer } from "./prefer.ts";

/** What a request's headers say about how to run it. */
export interface CallMeta {
  readonly principal: string;
  readonly idempotencyKey: string | undefined;
  /** `Prefer: respond-async`. */
  readonly respondAsync: boolean;
  /** `Prefer: wait=N`, in ms. */
  readonly waitMs: number | undefined;
  /** The mode the gateway's route table gives the command. */
  readonly routedMode: CommandMode | undefined;
  /** `Quartet-Position`: read at or past it. */
  readonly position: string | undefined;
  /** `If-Match`: the version the row must have for a command to change it. */
  readonly expectedVersion: bigint | undefined;
  /** `Quartet-Callback`, as it came: where the end of the command's operation is to be pushed to. */
  readonly callback?: string | undefined;
  /** `If-None-Match`: entity tags the client has; undefined when it has none. */
  readonly knownTags: readonly string[] | undefined;
  /** Epoch ms: the one noted where the request came in, else as the headers have it. */
  readonly deadlineMs: number;
  readonly traceparent: string | undefined;
}

/** @throws QuartetError `invalid_argument` naming the header that is malformed. */
export function readCallMeta(headers: IncomingHttpHeaders, now: number = Date.now()): CallMeta {
  const prefer = readPrefer(single(headers["prefer"]));
  const mode = single(headers["quartet-mode"]);
  return {
    principal: principalOf(single(headers["authorization"])),
    idempotencyKey: readIdempotencyKey(single(headers["idempotency-key"])),
    ...prefer,
    routedMode: mode === "direct" || mode === "offloaded" || mode === "async" ? mode : undefined,
    position: single(headers["quartet-position"]),
    callback: single(headers["quartet-callback"]),
    expectedVersion: readIfMatch(single(headers["if-match"])),
    knownTags: readEntityTags(single(headers["if-none-match"])),
    deadlineMs: notedDeadline(headers) ?? readDeadline(headers, prefer, defaultTimeoutMs.crud, now),
    traceparent: readTraceparent(single(headers["traceparent"])),
  };
}

/** Whoever sends the same credentials is the same principal; the credentials themselves are never stored. */
export function principalOf(authorization: string | undefined): string {
  if (authorization === undefined) return "anonymous";
  return createHash("sha256").update(authorization).digest("hex").slice(0, 32);
}

/** Idempotency-Key (draft-07): a quoted string; bare ones are taken too, since most clients send them. */
function readIdempotencyKey(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const quoted = /^"((?:[^"\\]|\\["\\])*)"$/.exec(text);
  const key = quoted?.[1]?.replaceAll(/\\(["\\])/g, "$1") ?? text;
  if (/^[\x20-\x7e]{1,255}$/.test(key) && (quoted !== null || !/["\s]/.test(key))) return key;
  throw new QuartetError("invalid_argument", "Idempotency-Key is not 1 to 255 visible ASCII characters.", {
    field: "Idempotency-Key",
    fix: 'Send one string, such as Idempotency-Key: "8e03978e-40d5-43dd-bc93-6894a57f9324".',
  });
}

/** W3C Trace Context, section 3.2; one that is malformed is as good as none. */
function readTraceparent(text: string | undefined): string | undefined {
  return text !== undefined && /^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}$/.test(text)
    ? text
    : undefined;
}

function single(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === "string" ? value : value?.[0];
}
