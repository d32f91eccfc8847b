import { type ErrorCode, errorCodes } from "./error-codes.ts";

/** Numbers of `google.rpc.Code`. */
const rpcNumbers = {
  canceled: 1,
  invalid_argument: 3,
  deadline_exceeded: 4,
  not_found: 5,
  already_exists: 6,
  permission_denied: 7,
  resource_exhausted: 8,
  failed_precondition: 9,
  aborted: 10,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/** The RPC status number of an error code; Connect and gRPC use the same ones. */
export function rpcNumberOf(code: ErrorCode): number {
  return rpcNumbers[errorCodes[code].rpc];
}
