import type { LookupAddress } from "node:dns";
import { Resolver, lookup as systemLookup } from "node:dns/promises";
import { readFile } from "node:fs/promises";
import { isIP, type LookupFunction } from "node:net";

/** Where names of strangers are looked up. Left away: where this machine does. */
export interface OutsideNames {
  /** Name servers, as `Resolver.setServers` takes them. */
  readonly servers?: readonly string[];
  /** A file of names with their addresses, as hosts(5) has it. */
  readonly hostsFile?: string;
  /** How long name servers have for their first answer; twice as long for the second time that they are asked. */
  readonly answerMs?: number;
  /** The system's resolver. */
  readonly askSystem?: (hostname: string) => Promise<readonly LookupAddress[]>;
}

/** With the second time less than a connection has. */
const usualAnswerMs = 1_500;
const tries = 2;
/** Names that wait for the system's resolver; more are as good as unknown. */
const mostWaiting = 32;
/** What name servers say of a name that a search list, or another source of names, may know. */
const unknownCodes: ReadonlySet<string> = new Set(["ENOTFOUND", "ENODATA", "ECONNREFUSED"]);

/**
 * Looks up names that strangers have chosen, without a thread of their own each. The system's resolver blocks one of two
 * threads (libuv's share for slow work) until a name's servers answer or, after some ten seconds, do not: eight names whose
 * servers are silent kept every other name of the process waiting for 40 s, its own databases' too.
 *
 * In order: `localhost` and what is below it (RFC 6761); the hosts file; DNS, by queries that wait beside each other. What
 * all of them do not know the system's resolver is asked for, for it has search lists and other sources: one name at a
 * time, so that one of its threads is left to this process' own names.
 */
export function createOutsideLookup(names: OutsideNames = {}): LookupFunction {
  return (hostname, _options, callback) => {
    resolveName(hostname, names).then(
      (addresses) => callback(null, [...addresses]),
      (error: NodeJS.ErrnoException) => callback(error, "", 0),
    );
  };
}

async function resolveName(hostname: string, names: OutsideNames): Promise<readonly LookupAddress[]> {
  if (/(^|\.)localhost\.?$/i.test(hostname)) return ["127.0.0.1", "::1"].map(toAddress);
  const listed = await readHosts(names.hostsFile ?? "/etc/hosts", hostname);
  if (listed.length > 0) return listed;
  try {
    return await queryServers(hostname, names);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && unknownCodes.has(String(error.code)))) throw error;
    return inTurn(() => (names.askSystem ?? lookupBySystem)(hostname), error);
  }
}

async function readHosts(hostsFile: string, hostname: string): Promise<readonly LookupAddress[]> {
  const text = await readFile(hostsFile, "utf8").catch(() => "");
  const wanted = hostname.toLowerCase().replace(/\.$/, "");
  return text.split("\n").flatMap((line) => {
    const [address = "", ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    return isIP(address) !== 0 && names.some((name) => name.toLowerCase() === wanted)
      ? [toAddress(address)]
      : [];
  });
}

/** Addresses of both families. A resolver for each name: it sees the machine's name servers as they are now. */
async function queryServers(
  hostname: string,
  { servers, answerMs = usualAnswerMs }: OutsideNames,
): Promise<readonly LookupAddress[]> {
  const resolver = new Resolver({ timeout: answerMs, tries });
  if (servers !== undefined) resolver.setServers(servers);
  const answers = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)]);
  const found = answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
  if (found.length > 0) return found.map(toAddress);
  const [failed] = answers.filter((answer) => answer.status === "rejected");
  throw failed?.reason ?? new Error(`${hostname} has no address`);
}

let asking: Promise<unknown> = Promise.resolve();
let waiting = 0;

/** @throws what is known of the name, when too many wait. */
function inTurn(
  ask: () => Promise<readonly LookupAddress[]>,
  unknown: Error,
): Promise<readonly LookupAddress[]> {
  if (waiting >= mostWaiting) return Promise.reject(unknown);
  waiting += 1;
  const turn = asking.then(ask).finally(() => {
    waiting -= 1;
  });
  asking = turn.catch(() => undefined);
  return turn;
}

function lookupBySystem(hostname: string): Promise<readonly LookupAddress[]> {
  return systemLookup(hostname, { all: true });
}

function toAddress(address: string): LookupAddress {
  return { address, family: isIP(address) };
}
