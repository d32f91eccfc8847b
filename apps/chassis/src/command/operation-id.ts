import { createSecretKey, hash, type KeyObject, randomUUID, timingSafeEqual } from "node:crypto";
import { hmacSha256 } from "../wire/webhook/hmac-sha256.ts";

/**
 * An operation's id: 32 hex digits, then 8 that prove this deployment issued it. A process that may read a lagging
 * replica only can so tell an operation that is not there *yet* from one that never was.
 */
export type OperationId = string;

/** A new id for a command without an idempotency key. */
export function createOperationId(secret: Buffer): OperationId {
  return seal(secret, createUnaskedId());
}

/** A new id for a command that ends with its answer: nobody can ask for its operation, so nothing proves that it was. */
export function createUnaskedId(): string {
  return randomUUID().replaceAll("-", "");
}

/** The id of the operation that a key names: the same principal, method and key always name the same operation. */
export function deriveOperationId(
  secret: Buffer,
  scope: { readonly principal: string; readonly method: string; readonly key: string },
): OperationId {
  const digest = hash("sha256", JSON.stringify([scope.principal, scope.method, scope.key]), "hex");
  return seal(secret, digest.slice(0, 32));
}

/** True when `createOperationId` or `deriveOperationId` made this id with this secret. */
export function isIssued(secret: Buffer, id: string): boolean {
  if (!/^[0-9a-f]{40}$/.test(id)) return false;
  return timingSafeEqual(Buffer.from(id), Buffer.from(seal(secret, id.slice(0, 32))));
}

/** SHA-256 over method and canonical request: the same key with another fingerprint is another command. */
export function fingerprintOf(method: string, requestJson: string): string {
  return hash("sha256", `${method}\0${requestJson}`, "hex");
}

const noBytes = new Uint8Array();

/** Of bytes Node makes a key each time, which takes longer than the rest. */
const keys = new WeakMap<Buffer, KeyObject>();

function seal(secret: Buffer, body: string): OperationId {
  const key = keys.get(secret) ?? createSecretKey(secret);
  keys.set(secret, key);
  const proof = Buffer.from(hmacSha256(key, `operation\0${body}`, noBytes), "base64");
  return body + proof.toString("hex", 0, 4);
}
