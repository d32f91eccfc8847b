import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { QuartetError } from "../../error/quartet-error.ts";

const loopback = /^(127\.|::1$|::ffff:127\.)/;
/** What a proxy on this machine says of whom it speaks for, who may be anywhere. */
const proxyHeaders = ["forwarded", "x-forwarded-for", "via"] as const;

/**
 * Lets a request pass that has the admin token as `Authorization: Bearer`. Where no token is set, requests from this
 * machine alone pass, and of those none that a page in a browser or a proxy that says so has sent.
 *
 * @throws QuartetError `unauthenticated`, or `permission_denied` where no token is set.
 */
export function requireAdmin(request: IncomingMessage, token: string | undefined): void {
  if (token === undefined) {
    if (loopback.test(request.socket.remoteAddress ?? "") && isFirstHand(request.headers)) return;
    throw new QuartetError(
      "permission_denied",
      "Without an admin token this is answered to this machine alone.",
      {
        fix: "Set QUARTET_ADMIN_TOKEN of this process, and send it as Authorization: Bearer.",
      },
    );
  }
  const given = /^Bearer (.+)$/i.exec(request.headers.authorization ?? "")?.[1] ?? "";
  if (sameText(given, token)) return;
  throw new QuartetError("unauthenticated", "The admin token is missing or wrong.", {
    field: "Authorization",
    fix: "Send Authorization: Bearer and the QUARTET_ADMIN_TOKEN of this process.",
  });
}

/** Browsers send an Origin with what a page may do, and Sec-Fetch-Site with what it may load. */
function isFirstHand(headers: IncomingHttpHeaders): boolean {
  const isOfPage = headers.origin !== undefined || /-site$/.test(headers["sec-fetch-site"] ?? "");
  const isForwarded = proxyHeaders.some((name) => headers[name] !== undefined);
  return !isOfPage && !isForwarded && isLocalHost(headers.host);
}

/** A page of another site that a browser was tricked into taking for this host names that other host. */
function isLocalHost(host: string | undefined): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i.test(host ?? "");
}

/** In a time that tells nothing of the token, its length included. */
function sameText(given: string, expected: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
