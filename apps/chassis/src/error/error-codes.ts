/**
 * The one table of what can go wrong: public code → HTTP status, RPC code, and whether the very same request may
 * succeed when it is sent again. Codes are public and are never reused or renamed.
 *
 * RPC codes are those of gRPC and Connect (https://connectrpc.com/docs/protocol#error-codes).
 */
export const errorCodes = {
  invalid_argument: { status: 400, rpc: "invalid_argument", retry: false, title: "Invalid argument" },
  malformed_body: { status: 400, rpc: "invalid_argument", retry: false, title: "Malformed body" },
  key_missing: { status: 400, rpc: "invalid_argument", retry: false, title: "Idempotency key missing" },
  unauthenticated: { status: 401, rpc: "unauthenticated", retry: false, title: "Unauthenticated" },
  permission_denied: { status: 403, rpc: "permission_denied", retry: false, title: "Permission denied" },
  not_found: { status: 404, rpc: "not_found", retry: false, title: "Not found" },
  no_such_route: { status: 404, rpc: "unimplemented", retry: false, title: "No such route" },
  method_not_allowed: { status: 405, rpc: "unimplemented", retry: false, title: "Method not allowed" },
  already_exists: { status: 409, rpc: "already_exists", retry: false, title: "Already exists" },
  aborted: { status: 409, rpc: "aborted", retry: true, title: "Aborted by a concurrent change" },
  version_mismatch: { status: 412, rpc: "aborted", retry: false, title: "The row has another version" },
  in_flight: { status: 409, rpc: "aborted", retry: true, title: "A request with this key is in flight" },
  failed_precondition: {
    status: 412,
    rpc: "failed_precondition",
    retry: false,
    title: "Failed precondition",
  },
  too_large: { status: 413, rpc: "resource_exhausted", retry: false, title: "Body too large" },
  unsupported_media_type: {
    status: 415,
    rpc: "invalid_argument",
    retry: false,
    title: "Unsupported media type",
  },
  wrong_class: { status: 421, rpc: "unimplemented", retry: false, title: "Not served by this class" },
  key_reused: { status: 422, rpc: "invalid_argument", retry: false, title: "Idempotency key reused" },
  unprocessable_event: { status: 422, rpc: "invalid_argument", retry: false, title: "Unprocessable event" },
  overloaded: { status: 429, rpc: "resource_exhausted", retry: true, title: "Overloaded" },
  canceled: { status: 499, rpc: "canceled", retry: false, title: "Canceled by the client" },
  internal: { status: 500, rpc: "internal", retry: true, title: "Internal error" },
  unimplemented: { status: 501, rpc: "unimplemented", retry: false, title: "Unimplemented" },
  bad_gateway: { status: 502, rpc: "unavailable", retry: true, title: "Bad gateway" },
  unavailable: { status: 503, rpc: "unavailable", retry: true, title: "Unavailable" },
  lease_lost: { status: 503, rpc: "unavailable", retry: true, title: "Another relay has taken over" },
  stale: {
    status: 503,
    rpc: "unavailable",
    retry: true,
    title: "The replica is behind the position asked for",
  },
  deadline_exceeded: { status: 504, rpc: "deadline_exceeded", retry: true, title: "Deadline exceeded" },
} as const;

export type ErrorCode = keyof typeof errorCodes;

export function isErrorCode(value: string): value is ErrorCode {
  return Object.hasOwn(errorCodes, value);
}
