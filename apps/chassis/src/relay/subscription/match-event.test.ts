import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type EventFilter,
  EventFilterSchema,
  SubscriptionSchema,
} from "../../gen/quartet/v1/subscription_pb.ts";
import type { LogEvent } from "../log/log-event.ts";
import { compileMatcher } from "./match-event.ts";
import { testEvent } from "./test-log.ts";

type SubscriptionInit = Omit<Parameters<typeof create<typeof SubscriptionSchema>>[1], "$typeName">;

function matches(init: SubscriptionInit, event: LogEvent = testEvent()): boolean {
  return compileMatcher(create(SubscriptionSchema, { name: "test", ...init }), "shop")(event);
}

function passes(filter: Parameters<typeof create<typeof EventFilterSchema>>[1], event?: LogEvent): boolean {
  return matches({ filters: [create(EventFilterSchema, filter)] }, event);
}

describe("types", () => {
  test.each([
    [{}, true],
    [{ types: ["shop.v1.OrderPlaced"] }, true],
    [{ types: ["shop.v1.Order"] }, false],
    [{ typePrefixes: ["shop.v1."] }, true],
    [{ typePrefixes: ["hop."] }, false],
    [{ types: ["shop.v1.OrderPaid"], typePrefixes: ["billing."] }, false],
    [{ types: ["shop.v1.OrderPaid"], typePrefixes: ["shop."] }, true],
  ])("%j of shop.v1.OrderPlaced: %s", (init, expected) => {
    expect(matches(init)).toBe(expected);
  });
});

describe("filters", () => {
  test.each([
    [{ exact: { subject: "order-7" } }, true],
    [{ exact: { subject: "Order-7" } }, false],
    [{ exact: { subject: "order-7", type: "other" } }, false],
    [{ prefix: { partitionkey: "order-" } }, true],
    [{ prefix: { partitionkey: "rder" } }, false],
    [{ suffix: { type: "Placed" } }, true],
    [{ suffix: { type: "Paid" } }, false],
    [{ exact: { source: "/quartet/shop/main" } }, true],
    [{ exact: { id: "01890a5d-ac96-774b-bcce-b302099a8057" } }, true],
    [{ prefix: { time: "2031-05-01T" } }, true],
    [{ exact: { sequence: "0000000000000000007" } }, true],
    [{ exact: { quartetepoch: "0000000001" } }, true],
    [{ exact: { quartetsubscription: "test" } }, true],
    [{ exact: { quartetreplay: "1" } }, false],
    [{ exact: { color: "red" } }, false],
    [{ not: { exact: { color: "red" } } }, true],
    [{ exact: { causationid: "none" } }, false],
    [{ prefix: { constructor: "f" } }, false],
    [{ all: [{ exact: { subject: "order-7" } }, { suffix: { type: "Placed" } }] }, true],
    [{ all: [{ exact: { subject: "order-7" } }, { suffix: { type: "Paid" } }] }, false],
    [{ any: [{ exact: { subject: "order-8" } }, { suffix: { type: "Placed" } }] }, true],
    [{ any: [{ exact: { subject: "order-8" } }, { suffix: { type: "Paid" } }] }, false],
    [{ exact: { subject: "order-7" }, not: { suffix: { type: "Placed" } } }, false],
    [{ not: { not: { exact: { subject: "order-7" } } } }, true],
  ])("%j: %s", (filter, expected) => {
    expect(passes(filter)).toBe(expected);
  });

  test("all of a subscription's must hold", () => {
    const filters = [{ prefix: { type: "shop." } }, { exact: { subject: "order-8" } }];
    expect(matches({ filters })).toBe(false);
    expect(matches({ filters: filters.slice(0, 1) })).toBe(true);
  });

  test("an event without a key has no subject", () => {
    expect(passes({ prefix: { subject: "order" } }, testEvent({ key: "" }))).toBe(false);
  });

  test("a replay matches as what it replays, and is told by quartetreplay", () => {
    const replay = { name: "test~1a2b3c4d", replayOf: "test" };
    expect(
      matches({ ...replay, filters: [{ exact: { quartetsubscription: "test", quartetreplay: "1" } }] }),
    ).toBe(true);
  });
});

const depthIdentifier = fc.createDepthIdentifier();
const attribute = fc.constantFrom("subject", "type", "causationid", "unknown");
const operands = fc.dictionary(attribute, fc.constantFrom("a", "ab", "abc"), { maxKeys: 2 });
const { filter: anyFilter } = fc.letrec<{ filter: EventFilter }>((tie) => ({
  filter: fc
    .record(
      {
        exact: operands,
        prefix: operands,
        suffix: operands,
        all: fc.array(tie("filter"), { maxLength: 2, depthIdentifier }),
        any: fc.array(tie("filter"), { maxLength: 2, depthIdentifier }),
        not: fc.option(tie("filter"), { nil: undefined, maxDepth: 3, depthIdentifier }),
      },
      { requiredKeys: [] },
    )
    .map(({ not, ...rest }) => create(EventFilterSchema, { ...rest, ...(not === undefined ? {} : { not }) })),
}));

const someEvent = fc
  .record({ key: fc.constantFrom("", "a", "ab", "abc"), type: fc.constantFrom("a", "abc", "b") })
  .map((changes) => testEvent(changes));

describe("of any filters", () => {
  test("not turns round what its member says", () => {
    fc.assert(
      fc.property(anyFilter, someEvent, (filter, event) => {
        expect(passes({ not: filter }, event)).toBe(!passes(filter, event));
      }),
    );
  });

  test("all and any are as their members together, whichever the order", () => {
    fc.assert(
      fc.property(fc.array(anyFilter, { minLength: 1, maxLength: 4 }), someEvent, (filters, event) => {
        const each = filters.map((filter) => passes(filter, event));
        expect(passes({ all: filters }, event)).toBe(each.every(Boolean));
        expect(passes({ any: filters.toReversed() }, event)).toBe(each.some(Boolean));
      }),
    );
  });
});
