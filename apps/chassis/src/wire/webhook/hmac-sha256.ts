import { createHmac, hash, type KeyObject } from "node:crypto";

const blockBytes = 64;
const digestBytes = 32;
/** Where copying the body costs what the two hashes save. */
const maxCopiedBytes = 4_096;

/**
 * HMAC-SHA256 (RFC 2104) over ASCII text and a body behind it, in base64.
 *
 * Of a short body by the two hashes that it is by definition, with the key's pads kept: 1.0 µs for 430 bytes, where
 * `createHmac` takes 1.9; in a busy server 2 and 4, as the objects that it makes have to be collected.
 */
export function hmacSha256(secret: KeyObject, head: string, body: Uint8Array): string {
  if (body.length > maxCopiedBytes) {
    return createHmac("sha256", secret).update(head).update(body).digest("base64");
  }
  const { inner, outer } = padsOf(secret);
  const message = Buffer.allocUnsafe(blockBytes + head.length + body.length);
  message.set(inner);
  message.write(head, blockBytes, "latin1");
  message.set(body, blockBytes + head.length);
  // "binary" is one character a byte: a digest as a string is made in half the time of one as a buffer.
  outer.write(hash("sha256", message, "binary"), blockBytes, "latin1");
  return hash("sha256", outer, "base64");
}

/** What is hashed before the message and before its digest; the outer has room for that digest. */
interface Pads {
  readonly inner: Buffer;
  readonly outer: Buffer;
}

const knownPads = new WeakMap<KeyObject, Pads>();

function padsOf(secret: KeyObject): Pads {
  let pads = knownPads.get(secret);
  if (pads === undefined) {
    pads = { inner: Buffer.alloc(blockBytes, 0x36), outer: Buffer.alloc(blockBytes + digestBytes, 0x5c) };
    const bytes = secret.export();
    const key = bytes.length > blockBytes ? hash("sha256", bytes, "buffer") : bytes;
    for (const [at, byte] of key.entries()) {
      pads.inner[at] = byte ^ 0x36;
      pads.outer[at] = byte ^ 0x5c;
    }
    knownPads.set(secret, pads);
  }
  return pads;
}
