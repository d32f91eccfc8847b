import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { allAddresses, parseAddressRules, publicAddresses } from "./address-rules.ts";

const refused = [
  ["0.0.0.0", "127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"],
  ["169.254.169.254", "100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192"],
  ["192.0.2.1", "198.51.100.7", "203.0.113.9", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"],
  ["::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1", "::7f00:1"],
  [
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::1",
  ],
  ["2001:db8::1", "2001::1", "3fff::1", "100::1", "4000::1"],
  ["", "localhost", "127.1", "0x7f000001", "2130706433", "8.8.8.8.", "8.8.8.8/8"],
].flat();

test.each(refused)("%j is refused, and it is said why", (address) => {
  expect(publicAddresses.refusal(address)).toContain(address);
});

test.each([
  "8.8.8.8",
  "1.1.1.1",
  "172.32.0.1",
  "100.128.0.1",
  "192.0.1.1",
  "223.255.255.255",
  "2606:4700::1111",
])("%s is public", (address) => {
  expect(publicAddresses.refusal(address)).toBeUndefined();
});

test("an IPv4 address is judged the same whatever way IPv6 wraps it, unless the wrapping itself is refused", () => {
  const octet = fc.integer({ min: 0, max: 255 });
  fc.assert(
    fc.property(fc.tuple(octet, octet, octet, octet), (octets) => {
      const rules = parseAddressRules(`${octets.join(".")}`);
      expect(rules.refusal(octets.join("."))).toBeUndefined();
      expect(rules.refusal(`::ffff:${octets.join(".")}`)).toBeUndefined();
      expect(publicAddresses.refusal(`::ffff:${octets.join(".")}`)).toBeDefined();
    }),
  );
});

describe("what is allowed beside public addresses", () => {
  test("blocks and single addresses of either family", () => {
    const rules = parseAddressRules(" 10.1.0.0/16 ,127.0.0.1, fd00::/8");
    const judged = [
      "10.1.255.1",
      "127.0.0.1",
      "fd12::1",
      "8.8.8.8",
      "10.2.0.1",
      "127.0.0.2",
      "fc00::1",
      "::1",
    ];
    const refusals = judged.map((address) => rules.refusal(address) === undefined);
    expect(refusals).toEqual([true, true, true, true, false, false, false, false]);
  });

  test("an IPv6 block that holds all of it allows no IPv4", () => {
    expect(parseAddressRules("::/0").refusal("127.0.0.1")).toBeDefined();
  });

  test("all", () => {
    expect(parseAddressRules("all")).toBe(allAddresses);
    expect(allAddresses.refusal("169.254.169.254")).toBeUndefined();
  });

  test.each([
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0/8",
    "localhost",
    "10.0.0.0/8/8",
    "fd00::/129",
    "10.0.0.0/",
  ])("%j is refused by name", (text) => {
    expect(() => parseAddressRules(text)).toThrow(expect.objectContaining({ name: "RangeError" }));
    expect(() => parseAddressRules(text)).toThrow(text);
  });
});
