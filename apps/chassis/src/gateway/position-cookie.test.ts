import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatPosition, parsePosition } from "../position/position.ts";
import { positionCookies, readPositionCookies } from "./position-cookie.ts";

/** What a browser has after it got `Set-Cookie` values, in this order. */
function keep(jar: Map<string, string>, values: readonly string[]): void {
  for (const value of values) {
    const [, name = "", text = ""] = /^([^=]+)=([^;]*)/.exec(value) ?? [];
    if (value.includes("Max-Age=0")) jar.delete(name);
    else jar.set(name, text);
  }
}

const headerOf = (jar: ReadonlyMap<string, string>) =>
  [["theme", "dark"], ...jar].map(([name, text]) => `${name}=${text}`).join("; ");
const brought = (jar: ReadonlyMap<string, string>) => readPositionCookies(headerOf(jar), "seen");
const at = (lsn: number, timeline = 1) => formatPosition({ systemId: "1", timeline, lsn: BigInt(lsn) });

describe("cookies of positions", () => {
  test("are for no script, for no other site's requests, and behind TLS for TLS alone", () => {
    const [plain] = positionCookies("seen", brought(new Map()), at(5), false, false);
    expect(plain).toMatch(/^seen\.[\da-f]{8}=1-1-0\/5; Path=\/; HttpOnly; SameSite=Lax$/);
    const [secure] = positionCookies("seen", brought(new Map()), at(5), true, false);
    expect(secure).toMatch(/; SameSite=Lax; Secure$/);
  });

  test("stay as they are when an answer brings nothing new", () => {
    const jar = new Map([["seen.1", at(5)]]);
    expect(positionCookies("seen", brought(jar), undefined, false, false)).toEqual([]);
    expect(positionCookies("seen", brought(jar), at(3), false, false)).toEqual([]);
    expect(positionCookies("seen", brought(new Map()), undefined, false, false)).toEqual([]);
  });

  test("go with the answer onto another timeline or system", () => {
    const jar = new Map([["seen.1", at(50)]]);
    keep(jar, positionCookies("seen", brought(jar), at(40, 2), false, false));
    expect(brought(jar).position).toBe(at(40, 2));
    keep(jar, positionCookies("seen", brought(jar), "9-1-0/1", false, false));
    expect([...jar.values()]).toEqual(["9-1-0/1"]);
  });

  test("go back to where a read is that was asked to be at or past them, and is not", () => {
    const jar = new Map([["seen.1", at(2 ** 40)]]);
    expect(positionCookies("seen", brought(jar), at(40), false, false)).toEqual([]);
    expect(positionCookies("seen", brought(jar), undefined, false, true)).toEqual([]);
    keep(jar, positionCookies("seen", brought(jar), at(40), false, true));
    expect([...jar.values()]).toEqual([at(40)]);
  });

  test("that are no positions, or others', are passed over", () => {
    const jar = new Map([
      ["seen", "junk"],
      ["seen.1", at(7)],
      ["seenother", at(99)],
    ]);
    expect(brought(jar)).toEqual({ names: ["seen", "seen.1"], position: at(7) });
    expect(readPositionCookies(undefined, "seen")).toEqual({ names: [], position: undefined });
    expect(readPositionCookies("seen; =; ;", "seen")).toEqual({ names: [], position: undefined });
  });

  test("never go back, in whatever order the answers to parallel requests come, and do not pile up", () => {
    const waves = fc.array(
      fc.array(fc.record({ lsn: fc.option(fc.nat(1_000)), arrives: fc.nat() }), { maxLength: 6 }),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(waves, (rounds) => {
        const jar = new Map<string, string>();
        let furthest = 0n;
        for (const requests of rounds) {
          const sent = brought(jar);
          expect(sent.names.length).toBeLessThanOrEqual(6);
          const answers = requests.toSorted((a, b) => a.arrives - b.arrives);
          for (const { lsn } of answers) {
            keep(jar, positionCookies("seen", sent, lsn === null ? undefined : at(lsn), false, false));
            if (lsn !== null && BigInt(lsn) > furthest) furthest = BigInt(lsn);
            const { position } = brought(jar);
            expect(position === undefined ? 0n : parsePosition(position).lsn).toBe(furthest);
          }
        }
      }),
    );
  });
});
