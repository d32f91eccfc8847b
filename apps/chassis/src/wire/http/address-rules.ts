import { BlockList, isIP, isIPv4, isIPv6 } from "node:net";

/**
 * Which addresses outside parties may make this deployment connect to: public ones, and those that the operator has
 * allowed. Whoever names an endpoint must not reach what is behind the firewall, least of all a cloud's metadata.
 */
export interface AddressRules {
  /** Why an IP address, as text, may not be connected to; undefined when it may. What is no address may not. */
  refusal(address: string): string | undefined;
}

/** IANA's special-purpose registries (RFC 6890), with what each block is. */
const refusedV4: readonly (readonly [block: string, what: string])[] = [
  ["0.0.0.0/8", "this host"],
  ["10.0.0.0/8", "private"],
  ["100.64.0.0/10", "shared by carriers (RFC 6598)"],
  ["127.0.0.0/8", "loopback"],
  ["169.254.0.0/16", "link-local"],
  ["172.16.0.0/12", "private"],
  ["192.0.0.0/24", "of protocols"],
  ["192.0.2.0/24", "for documentation"],
  ["192.88.99.0/24", "of 6to4 relays"],
  ["192.168.0.0/16", "private"],
  ["198.18.0.0/15", "for benchmarks"],
  ["198.51.100.0/24", "for documentation"],
  ["203.0.113.0/24", "for documentation"],
  ["224.0.0.0/4", "multicast"],
  ["240.0.0.0/4", "reserved"],
  // Public by its number, and the host's own agent to every machine of that cloud.
  ["168.63.129.16/32", "a metadata address"],
];

/** Of IPv6 only 2000::/3 is unicast that is routed; these parts of it are not, or lead to IPv4 addresses. */
const refusedV6: readonly (readonly [block: string, what: string])[] = [
  ["2001::/23", "of protocols"],
  ["2001:db8::/32", "for documentation"],
  ["2002::/16", "6to4"],
  ["3fff::/20", "for documentation"],
];

/** Blocks outside 2000::/3 that people know by a name. */
const knownV6: readonly (readonly [block: string, what: string])[] = [
  ["::1/128", "loopback"],
  ["::ffff:0:0/96", "IPv4 in IPv6"],
  ["64:ff9b::/96", "IPv4 in IPv6"],
  ["fc00::/7", "unique local"],
  ["fe80::/10", "link-local"],
  ["ff00::/8", "multicast"],
];

const namedBlocks = [...refusedV4, ...refusedV6, ...knownV6].map(([block, what]) => ({
  contains: parseBlocks([block]),
  what,
}));
const isRoutedV6 = parseBlocks(["2000::/3"]);

/** Nothing but public addresses. */
export const publicAddresses: AddressRules = { refusal: refusalOf };

/** Every address: for tests and local clusters, and for deployments whose network itself lets nothing through. */
export const allAddresses: AddressRules = { refusal: () => undefined };

/**
 * Reads what is allowed beside public addresses: `all`, or addresses and CIDR blocks separated by commas, such as
 * `10.1.0.0/16, fd00::/8`. An IPv4 block allows the same addresses written in IPv6 (`::ffff:10.1.2.3`).
 *
 * @throws RangeError naming the part that is neither.
 */
export function parseAddressRules(text: string): AddressRules {
  const parts = text.split(",").map((part) => part.trim());
  if (parts.includes("all")) return allAddresses;
  const isAllowed = parseBlocks(parts.filter((part) => part !== ""));
  return { refusal: (address) => (isAllowed(address) ? undefined : refusalOf(address)) };
}

function refusalOf(address: string): string | undefined {
  if (isIP(address) === 0) return `${address.slice(0, 80)} is no IP address`;
  const named = namedBlocks.find(({ contains }) => contains(address));
  if (named !== undefined) return `${address} is ${named.what}`;
  if (isIPv6(address) && !isRoutedV6(address)) return `${address} is not routed`;
  return undefined;
}

type Contains = (address: string) => boolean;

/**
 * Whether an address is in one of the blocks. A list for each family: a `BlockList` takes an IPv4 address for its form in
 * IPv6, of which all are in ::ffff:0:0/96; but not the other way round, so IPv4 blocks do name what IPv6 wraps.
 */
function parseBlocks(blocks: readonly string[]): Contains {
  const v4 = new BlockList();
  const v6 = new BlockList();
  for (const block of blocks) {
    const { address, prefix } = parseBlock(block);
    if (isIPv4(address)) v4.addSubnet(address, prefix, "ipv4");
    else v6.addSubnet(address, prefix, "ipv6");
  }
  return (address) => {
    if (isIPv4(address)) return v4.check(address, "ipv4");
    return isIPv6(address) && (v4.check(address, "ipv6") || v6.check(address, "ipv6"));
  };
}

function parseBlock(block: string): { readonly address: string; readonly prefix: number } {
  const [address = "", bits, rest] = block.split("/");
  const most = isIP(address) === 4 ? 32 : 128;
  const prefix = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : -1;
  if (isIP(address) === 0 || prefix < 0 || prefix > most || rest !== undefined) {
    throw new RangeError(`"${block.slice(0, 80)}" is neither an IP address nor a CIDR block`);
  }
  return { address, prefix };
}
