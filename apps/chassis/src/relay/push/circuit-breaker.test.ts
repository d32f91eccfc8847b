import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { deliverySettings } from "./backoff.ts";
import { breakerSettings, CircuitBreaker, type EndpointFailure } from "./circuit-breaker.ts";

const silence: EndpointFailure = { unreachable: false, retryAfterMs: undefined };
const unreachable: EndpointFailure = { unreachable: true, retryAfterMs: undefined };
const busy = (retryAfterMs: number): EndpointFailure => ({ unreachable: false, retryAfterMs });
const delivery = deliverySettings(undefined);

/** With the longest pauses that jitter can bring. */
const openBreaker = (own = false) => new CircuitBreaker(breakerSettings(own, delivery), () => 0.999_999);

function begin(breaker: CircuitBreaker, nowMs: number): number {
  const ticket = breaker.tryBegin(nowMs);
  if (ticket === undefined) throw new Error(`nothing may begin while ${breaker.state}`);
  return ticket;
}

/** The pause of each of some openings in a row, in ms. */
function pauses(breaker: CircuitBreaker, times: number, failure: EndpointFailure): number[] {
  let nowMs = 0;
  return Array.from({ length: times }, () => {
    breaker.failed(begin(breaker, nowMs), nowMs, failure);
    const pauseMs = Math.ceil(breaker.retryAtMs - nowMs);
    nowMs = breaker.retryAtMs;
    return pauseMs;
  });
}

describe("closed", () => {
  test("opens with five failures in a row, not with five in all", () => {
    const breaker = openBreaker();
    const fail = (times: number) => {
      for (let time = 0; time < times; time++) breaker.failed(begin(breaker, 0), 0, silence);
    };
    fail(4);
    breaker.answered(begin(breaker, 0));
    fail(4);
    expect(breaker.state).toBe("closed");
    fail(1);
    expect(breaker.state).toBe("open");
    expect(breaker.tryBegin(0)).toBeUndefined();
  });

  test("opens at once when no connection can be made", () => {
    const breaker = openBreaker();
    breaker.failed(begin(breaker, 0), 0, unreachable);
    expect(breaker.state).toBe("open");
  });

  test("opens at once when it is told when to come back", () => {
    const breaker = openBreaker();
    breaker.failed(begin(breaker, 0), 0, busy(30_000));
    expect(breaker.retryAtMs).toBe(30_000);
  });
});

describe("open", () => {
  test("lets one push through as a probe when the pause is over, and no other meanwhile", () => {
    const breaker = openBreaker();
    breaker.failed(begin(breaker, 0), 0, unreachable);
    expect(breaker.mayBegin(breaker.retryAtMs - 1)).toBe(false);
    const probe = begin(breaker, breaker.retryAtMs);
    expect(breaker.state).toBe("half-open");
    expect(breaker.tryBegin(1_000_000)).toBeUndefined();
    breaker.answered(probe);
    expect(breaker.state).toBe("closed");
  });

  test("the pause doubles with each opening in a row, up to 2 s for a stranger and 250 ms for a class of ours", () => {
    expect(pauses(openBreaker(), 6, unreachable)).toEqual([200, 400, 800, 1_600, 2_000, 2_000]);
    expect(pauses(openBreaker(true), 3, unreachable)).toEqual([200, 250, 250]);
  });

  test("the pause begins anew after an answer", () => {
    const breaker = openBreaker();
    pauses(breaker, 5, unreachable);
    breaker.answered(begin(breaker, 1_000_000));
    expect(pauses(breaker, 1, unreachable)).toEqual([200]);
  });

  test("a stranger's Retry-After is kept to up to the subscription's limit; one of ours is asked again soon", () => {
    expect(pauses(openBreaker(), 1, busy(7_200_000))).toEqual([delivery.retryAfterMaxMs]);
    expect(pauses(openBreaker(true), 1, busy(7_200_000))).toEqual([250]);
  });

  test("what began while it was closed changes nothing any more", () => {
    const breaker = openBreaker();
    const [early, late] = [begin(breaker, 0), begin(breaker, 0)];
    breaker.failed(early, 0, unreachable);
    const { retryAtMs } = breaker;
    breaker.failed(late, 10, busy(60_000));
    breaker.answered(late);
    expect([breaker.state, breaker.retryAtMs]).toEqual(["open", retryAtMs]);
    const probe = begin(breaker, retryAtMs);
    breaker.answered(late);
    expect(breaker.state).toBe("half-open");
    breaker.answered(probe);
    expect(breaker.state).toBe("closed");
  });

  test("a probe that was not sent leaves the place to the next", () => {
    const breaker = openBreaker();
    breaker.failed(begin(breaker, 0), 0, unreachable);
    const { retryAtMs } = breaker;
    breaker.unsent(begin(breaker, retryAtMs));
    expect([breaker.state, breaker.mayBegin(retryAtMs)]).toEqual(["open", true]);
  });
});

test("no row of events leaves it shut for good", () => {
  const happening = fc.record({
    what: fc.constantFrom("answered", "failed", "unsent", "stale"),
    unreachable: fc.boolean(),
    retryAfterMs: fc.option(fc.nat(100_000), { nil: undefined }),
    random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  });
  fc.assert(
    fc.property(fc.array(happening), fc.boolean(), (happenings, own) => {
      let random = 0;
      let nowMs = 0;
      const breaker = new CircuitBreaker(breakerSettings(own, delivery), () => random);
      for (const each of happenings) {
        random = each.random;
        const ticket = begin(breaker, nowMs);
        if (each.what === "failed") breaker.failed(ticket, nowMs, each);
        else if (each.what === "unsent") breaker.unsent(ticket);
        else breaker.answered(ticket);
        if (each.what === "stale") breaker.failed(ticket - 1, nowMs, each);
        expect(breaker.retryAtMs - nowMs).toBeLessThanOrEqual(delivery.retryAfterMaxMs);
        nowMs = Math.max(nowMs, breaker.retryAtMs);
      }
    }),
  );
});
