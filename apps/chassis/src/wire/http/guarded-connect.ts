import type { LookupAddress, LookupOptions } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import { buildConnector } from "undici";
import { QuartetError } from "../../error/quartet-error.ts";
import type { AddressRules } from "./address-rules.ts";
import { createOutsideLookup } from "./outside-lookup.ts";

/** How endpoints that others have named are reached. */
export interface OutsideReach {
  readonly rules: AddressRules;
  /** Resolves names. Default: {@link createOutsideLookup}. */
  readonly lookup?: LookupFunction;
}

/**
 * Connects to addresses that the rules let through, and to no others. The rules see the very address that the socket then
 * connects to: each connection resolves its host once, here, so that a name that is another address the next time
 * (DNS rebinding) gains nothing. Of a name with several addresses the refused ones are left out.
 *
 * Fails with QuartetError `permission_denied`, before a packet is sent, when none is left.
 */
export function createGuardedConnect(reach: OutsideReach, timeoutMs: number): buildConnector.connector {
  const connect = buildConnector({ timeout: timeoutMs, allowH2: false, lookup: guardLookup(reach) });
  return (options, callback) => {
    // The system looks up no literals: they would go past the rules.
    const refusal = isIP(options.hostname) === 0 ? undefined : reach.rules.refusal(options.hostname);
    if (refusal === undefined) connect(options, callback);
    else queueMicrotask(() => callback(refused(refusal), null));
  };
}

/** True for an error of a connection that the rules forbid. */
export function isRefusedAddress(error: unknown): error is QuartetError {
  return error instanceof QuartetError && error.code === "permission_denied";
}

/**
 * Why a host cannot be reached under the rules, as far as that can be told now; undefined also for a name that cannot be
 * resolved, or not in time.
 */
export async function findRefusal(
  hostname: string,
  reach: OutsideReach,
  timeoutMs: number,
): Promise<string | undefined> {
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  if (isIP(host) !== 0) return reach.rules.refusal(host);
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, timeoutMs, undefined);
    guardLookup(reach)(host, { all: true }, (error) => {
      clearTimeout(timer);
      resolve(isRefusedAddress(error) ? error.message : undefined);
    });
  });
}

const outsideLookup = createOutsideLookup();

function guardLookup({ rules, lookup = outsideLookup }: OutsideReach): LookupFunction {
  return (hostname, options: LookupOptions, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      if (error !== null) return callback(error, "", 0);
      const addresses = found as readonly LookupAddress[];
      const allowed = addresses.filter(({ address }) => rules.refusal(address) === undefined);
      const [first] = allowed;
      if (first === undefined) return callback(refused(describe(hostname, addresses, rules)), "", 0);
      if (options.all === true) return callback(null, allowed);
      callback(null, first.address, first.family);
    });
  };
}

function describe(hostname: string, addresses: readonly LookupAddress[], rules: AddressRules): string {
  const reasons = addresses.map(({ address }) => rules.refusal(address)).slice(0, 4);
  return `${hostname}: ${reasons.join("; ") || "has no address"}`;
}

function refused(reason: string): QuartetError {
  return new QuartetError("permission_denied", `${reason}, and not allowed by QUARTET_ALLOW_PRIVATE.`);
}
