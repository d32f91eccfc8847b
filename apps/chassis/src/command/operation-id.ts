import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";

/**
 * An operation's id: 32 hex digits, then 8 that prove this deployment issued it. A process that may read a lagging
 * replica only can so tell an operation that is not there *yet* from one that never was.
 */
export type OperationId = string;

/** A new id for a command without an idempotency key. */
export function createOperationId(secret: Buffer): OperationId {
  return seal(secret, randomBytes(16).toString("hex"));
}

/** The id of the operation that a key names: the same principal, method and key always name the same operation. */
export function deriveOperationId(
  secret: Buffer,
  scope: { readonly principal: string; readonly method: string; readonly key: string },
): OperationId {
  const hash = createHash("sha256").update(JSON.stringify([scope.principal, scope.method, scope.key]));
  return seal(secret, hash.digest("hex").slice(0, 32));
}

/** True when `createOperationId` or `deriveOperationId` made this id with this secret. */
export function isIssued(secret: Buffer, id: string): boolean {
  if (!/^[0-9a-f]{40}$/.test(id)) return false;
  return timingSafeEqual(Buffer.from(id), Buffer.from(seal(secret, id.slice(0, 32))));
}

/** SHA-256 over method and canonical request: the same key with another fingerprint is another command. */
export function fingerprintOf(method: string, requestJson: string): string {
  return createHash("sha256").update(`${method}\0${requestJson}`).digest("hex");
}

function seal(secret: Buffer, body: string): OperationId {
  return body + createHmac("sha256", secret).update(`operation\0${body}`).digest("hex").slice(0, 8);
}
