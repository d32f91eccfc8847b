/** The innermost reason of an error in words: what a server or the system said. */
export function rootReason(error: unknown): string {
  // Node's, for a name with several addresses: it says nothing itself.
  if (error instanceof AggregateError && error.errors.length > 0) return rootReason(error.errors[0]);
  if (error instanceof Error && error.cause !== undefined) return rootReason(error.cause);
  return error instanceof Error ? error.message || error.name : String(error);
}
