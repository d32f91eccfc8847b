import type { LookupAddress } from "node:dns";
import { describe, expect, test } from "vitest";
import { ClassUpstreams } from "../../edge/upstream/class-upstreams.ts";
import { parseAddressRules, publicAddresses } from "../../wire/http/address-rules.ts";
import { findRefusal, type OutsideReach } from "../../wire/http/guarded-connect.ts";
import { resolveTarget } from "./push-target.ts";
import { http, openTestEndpoint } from "./test-endpoint.ts";
import { pushTo, testEvent, testSubscription } from "./test-push.ts";

/** A resolver that answers each question with the next of these, and the last one again and again. */
function resolver(...answers: readonly (readonly string[])[]) {
  let asked = 0;
  const lookup: NonNullable<OutsideReach["lookup"]> = (_hostname, _options, callback) => {
    const addresses = answers[Math.min(asked, answers.length - 1)] ?? [];
    asked += 1;
    const found: LookupAddress[] = addresses.map((address) => ({
      address,
      family: address.includes(":") ? 6 : 4,
    }));
    queueMicrotask(() => callback(null, found));
  };
  return {
    lookup,
    get asked() {
      return asked;
    },
  };
}

async function pushOnce(endpoint: string, reach: OutsideReach) {
  await using upstreams = new ClassUpstreams({ crud: [], micro: [], nano: [], lambda: [] });
  const subscription = testSubscription({ endpoint });
  await using target = resolveTarget(subscription, upstreams, reach);
  return await pushTo(target, subscription, [testEvent()]);
}

const onlyPublic: OutsideReach = { rules: publicAddresses };

describe("a push to an address that is not public", () => {
  // Each is 127.0.0.1 to whoever connects; ::1 and the wrapped ones are its like.
  test.each(["127.0.0.1", "127.1", "0x7f.1", "2130706433", "017700000001", "127.0.0.1.", "１２７.0.0.1"])(
    "is not made, however it is spelt: %s",
    async (host) => {
      await using endpoint = await openTestEndpoint((socket) => void socket.write(http(204)));
      const answer = await pushOnce(endpoint.url.replace("127.0.0.1", host), onlyPublic);
      expect(answer.outcomes).toMatchObject([
        { kind: "retry", status: 0, answer: expect.stringContaining("127.0.0.1 is loopback") },
      ]);
      expect([answer.endpoint, endpoint.accepted]).toEqual(["answered", 0]);
    },
  );

  test.each([
    "http://[::1]:1",
    "http://[::ffff:127.0.0.1]:1",
    "http://169.254.169.254/latest",
    "https://10.0.0.1",
  ])("is not made: %s", async (url) => {
    const { outcomes } = await pushOnce(url, onlyPublic);
    expect(outcomes).toMatchObject([{ kind: "retry", answer: expect.stringContaining("QUARTET_") }]);
  });

  test("is not made under a name of it", async () => {
    await using endpoint = await openTestEndpoint((socket) => void socket.write(http(204)));
    const { outcomes } = await pushOnce(endpoint.url.replace("127.0.0.1", "localhost"), onlyPublic);
    expect(outcomes).toMatchObject([{ kind: "retry", answer: expect.stringContaining("localhost: ") }]);
    expect(endpoint.accepted).toBe(0);
  });
});

describe("a name that changes its address", () => {
  test("is judged by the address that is connected to, each time, and a connection that is there is kept", async () => {
    await using endpoint = await openTestEndpoint((socket) => {
      socket.write(http(204));
      socket.end();
    });
    const names = resolver(["127.0.0.2"], ["127.0.0.1"]);
    // As if 127.0.0.2 were public: the second connection's answer is another one.
    const reach = { rules: parseAddressRules("127.0.0.2"), lookup: names.lookup };
    await using upstreams = new ClassUpstreams({ crud: [], micro: [], nano: [], lambda: [] });
    const subscription = testSubscription({ endpoint: endpoint.url.replace("127.0.0.1", "rebind.example") });
    await using target = resolveTarget(subscription, upstreams, reach);
    const first = await pushTo(target, subscription, [testEvent()]);
    // It listens on 127.0.0.1 alone; what counts is that it was tried, and that the next one was not.
    expect(first.outcomes).toMatchObject([{ kind: "away", answer: expect.stringContaining("127.0.0.2") }]);
    const second = await pushTo(target, subscription, [testEvent()]);
    expect(second.outcomes).toMatchObject([
      { kind: "retry", answer: expect.stringContaining("127.0.0.1 is loopback") },
    ]);
    expect([names.asked, endpoint.accepted]).toEqual([2, 0]);
  });

  test("is asked for once a connection: nothing is resolved again after it was judged", async () => {
    await using endpoint = await openTestEndpoint((socket) => void socket.write(http(204)));
    const names = resolver(["127.0.0.1"], ["10.0.0.1"]);
    const reach = { rules: parseAddressRules("127.0.0.1"), lookup: names.lookup };
    const { outcomes } = await pushOnce(endpoint.url.replace("127.0.0.1", "rebind.example"), reach);
    expect(outcomes).toEqual([{ kind: "acknowledged" }]);
    expect([names.asked, endpoint.accepted]).toEqual([1, 1]);
  });

  test("has those of its addresses that are allowed, and no others", async () => {
    await using endpoint = await openTestEndpoint((socket) => void socket.write(http(204)));
    const names = resolver(["::1", "10.0.0.1", "127.0.0.1", "169.254.169.254"]);
    const reach = { rules: parseAddressRules("127.0.0.1"), lookup: names.lookup };
    const { outcomes } = await pushOnce(endpoint.url.replace("127.0.0.1", "many.example"), reach);
    expect(outcomes).toEqual([{ kind: "acknowledged" }]);
  });
});

test("a refusal is told before anything is pushed, where it can be known", async () => {
  const names = resolver(["10.0.0.1", "::1"]);
  const refusal = await findRefusal("intranet.example", { ...onlyPublic, lookup: names.lookup }, 1_000);
  expect(refusal).toMatch(/10\.0\.0\.1 is private; ::1 is loopback/);
  const mixed = resolver(["10.0.0.1", "8.8.8.8"]);
  expect(await findRefusal("mixed.example", { ...onlyPublic, lookup: mixed.lookup }, 1_000)).toBeUndefined();
  expect(await findRefusal("[::1]", onlyPublic, 1_000)).toMatch(/loopback/);
  const silent: OutsideReach["lookup"] = () => undefined;
  expect(await findRefusal("slow.example", { ...onlyPublic, lookup: silent }, 10)).toBeUndefined();
});
