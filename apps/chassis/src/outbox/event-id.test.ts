import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createEventId, deriveEventId, timeOfEventId } from "./event-id.ts";

const uuidV7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const time = fc.integer({ min: 0, max: 2 ** 48 - 1 });

describe("an event's id", () => {
  test("is a UUIDv7 that carries its time", () => {
    fc.assert(
      fc.property(time, (ms) => {
        const id = createEventId(ms);
        expect(id).toMatch(uuidV7);
        expect(timeOfEventId(id)).toBe(ms);
      }),
    );
  });

  test("orders by time as text", () => {
    fc.assert(
      fc.property(time, time, (a, b) => {
        if (a !== b) expect(createEventId(a) < createEventId(b)).toBe(a < b);
      }),
    );
  });

  test("is another one each time", () => {
    expect(new Set(Array.from({ length: 1000 }, () => createEventId(5))).size).toBe(1000);
  });
});

describe("a derived id", () => {
  test("is a UUIDv7 of its cause's time, the same each time", () => {
    fc.assert(
      fc.property(time, fc.string(), (ms, discriminator) => {
        const cause = createEventId(ms);
        const id = deriveEventId(cause, discriminator);
        expect(id).toMatch(uuidV7);
        expect(timeOfEventId(id)).toBe(ms);
        expect(deriveEventId(cause, discriminator)).toBe(id);
      }),
    );
  });

  test("is distinct by discriminator and by cause", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string(), { minLength: 2, maxLength: 20 }), (discriminators) => {
        const causes = [createEventId(7), createEventId(7)];
        const ids = causes.flatMap((cause) => discriminators.map((each) => deriveEventId(cause, each)));
        expect(new Set([...ids, ...causes]).size).toBe(ids.length + 2);
      }),
    );
  });

  test("does not confuse where cause ends and discriminator begins", () => {
    const cause = createEventId(7);
    expect(deriveEventId(cause, "a/1")).not.toBe(deriveEventId(cause, "a/10"));
    expect(deriveEventId(deriveEventId(cause, "a"), "b")).not.toBe(
      deriveEventId(deriveEventId(cause, "b"), "a"),
    );
  });
});
