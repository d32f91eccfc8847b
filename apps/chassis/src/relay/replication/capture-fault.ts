import { QuartetError } from "../../error/quartet-error.ts";

/**
 * Why capturing failed, as far as it decides what to do next:
 * `slot_active` another process reads it: wait. `slot_lost`, `slot_missing` and `publication_missing`: events may be
 * missing from the stream for good: make the slot anew and repair from the table. `connection`: connect again. `stalled`:
 * the connection lives and nothing comes of it: connect again, and tell somebody.
 */
export type CaptureFault =
  | "slot_active"
  | "slot_lost"
  | "slot_missing"
  | "publication_missing"
  | "connection"
  | "stalled"
  | "other";

/** The code of {@link stalledError}; no SQLSTATE, because no server says so. */
const stalledCode = "STALLED";

/** What is read of an error of `pg` or of the system. */
interface CodedError {
  readonly code?: unknown;
  readonly message?: unknown;
  readonly routine?: unknown;
  readonly cause?: unknown;
}

const connectionCodes = new Set([
  "57P01", // admin_shutdown
  "57P02", // crash_shutdown
  "57P03", // cannot_connect_now
  "57P05", // idle_session_timeout
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ENOENT", // no unix socket: the server is not up
]);

/** What `pg` says, without a code, when the socket is gone or silent; never translated. */
const connectionMessages = new Set([
  "Connection terminated",
  "Connection terminated unexpectedly",
  "Client has encountered a connection error and is not queryable",
  "timeout expired",
  "Query read timeout",
]);

/** Classifies what the stream or the slot functions threw, by SQLSTATE and system code along the chain of causes. */
export function captureFault(error: unknown): CaptureFault {
  const seen = new Set<unknown>();
  for (
    let at = error;
    typeof at === "object" && at !== null && !seen.has(at);
    at = (at as CodedError).cause
  ) {
    seen.add(at);
    const fault = faultOf(at);
    if (fault) return fault;
  }
  return "other";
}

function faultOf(error: CodedError): CaptureFault | undefined {
  const { code, message } = error;
  if (typeof code !== "string") {
    return typeof message === "string" && connectionMessages.has(message) ? "connection" : undefined;
  }
  if (code === stalledCode) return "stalled";
  if (code.startsWith("08") || connectionCodes.has(code)) return "connection";
  switch (code) {
    case "55006": // object_in_use
      return "slot_active";
    case "42704": // undefined_object, of slots and publications alike
      return names(error, "publication") ? "publication_missing" : "slot_missing";
    case "55000": // object_not_in_prerequisite_state, of much else too
      return slotIsInvalid(error) ? "slot_lost" : undefined;
    default:
      return undefined;
  }
}

/**
 * "can no longer access replication slot" (18) and "can no longer get changes from replication slot" (before). The
 * routine tells where the server translates its messages; it raises 55000 for nothing else.
 */
function slotIsInvalid(error: CodedError): boolean {
  return error.routine === "ReplicationSlotAcquire" || names(error, "can no longer");
}

function names(error: CodedError, word: string): boolean {
  const { message, routine } = error;
  return (
    (typeof message === "string" && message.includes(word)) ||
    (typeof routine === "string" && routine.toLowerCase().includes(word))
  );
}

/** The public error for whatever stopped capturing: `unavailable`, which may be tried again, with its cause. */
export function captureError(what: string, cause: unknown, fix?: string): QuartetError {
  if (cause instanceof QuartetError) return cause;
  const detail = cause instanceof Error ? cause.message : String(cause);
  return new QuartetError(
    "unavailable",
    `${what}: ${detail}`,
    fix === undefined ? { cause } : { cause, fix },
  );
}

/** A cause of our own, in the server's vocabulary, so that {@link captureFault} reads one kind of error only. */
export function sqlStateError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

/** What a stream fails with when its server has done nothing for too long. */
export function stalledError(message: string): Error {
  return sqlStateError(stalledCode, message);
}
