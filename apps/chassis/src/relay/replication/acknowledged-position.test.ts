import fc from "fast-check";
import { expect, test } from "vitest";
import { AcknowledgedPosition } from "./acknowledged-position.ts";
import { type Lsn, toLsn } from "./lsn.ts";

type Step =
  | { readonly kind: "transaction"; readonly length: number; readonly empty: boolean }
  | { readonly kind: "begin" }
  | { readonly kind: "keepalive"; readonly distance: number }
  /** Acknowledges the commit this far back, and this many bytes beyond it. */
  | { readonly kind: "acknowledge"; readonly back: number; readonly beyond: number };

const length = fc.integer({ min: 1, max: 50 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("transaction" as const), length, empty: fc.boolean() }),
  fc.record({ kind: fc.constant("begin" as const) }),
  fc.record({ kind: fc.constant("keepalive" as const), distance: fc.nat(50) }),
  fc.record({ kind: fc.constant("acknowledge" as const), back: fc.nat(5), beyond: fc.nat(100) }),
);

/** Plays steps as a server would send them and a consumer acknowledge them; `check` sees every state. */
function play(steps: readonly Step[], check: (position: AcknowledgedPosition, world: World) => void): World {
  const position = new AcknowledgedPosition();
  const world: World = { walEnd: 0n, partial: false, received: [], stored: -1n };
  for (const next of steps) {
    apply(next, position, world);
    check(position, world);
  }
  return world;
}

interface World {
  walEnd: bigint;
  partial: boolean;
  /** Commit ends with something to store. */
  received: Lsn[];
  /** Everything received up to here is stored. */
  stored: bigint;
}

function apply(next: Step, position: AcknowledgedPosition, world: World): void {
  switch (next.kind) {
    case "begin":
      if (!world.partial) position.begin();
      world.partial = true;
      break;
    case "transaction": {
      if (!world.partial) position.begin();
      world.partial = false;
      world.walEnd += BigInt(next.length);
      const end = toLsn(world.walEnd);
      if (next.empty) position.commitPassed(end);
      else {
        position.commit(end);
        world.received.push(end);
      }
      break;
    }
    case "keepalive":
      // The server names no WAL end beyond what it has decoded, and a partial transaction commits later than that.
      if (!world.partial) world.walEnd += BigInt(next.distance);
      position.pass(toLsn(world.walEnd));
      break;
    case "acknowledge": {
      const commitEnd = world.received.at(-1 - next.back);
      if (commitEnd === undefined) break;
      const acknowledged = toLsn(commitEnd + BigInt(next.beyond));
      position.acknowledge(acknowledged);
      // Only what has been received by now: a later commit is not stored, even if it ends below this position.
      const stored = world.received.findLast((end) => end <= acknowledged) ?? 0n;
      if (stored > world.stored) world.stored = stored;
    }
  }
}

const unstored = (world: World) => world.received.filter((end) => end > world.stored);

test("never passes a received commit that was not acknowledged, and never goes back", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let before = 0n;
      play(steps, (position, world) => {
        const [first] = unstored(world);
        if (first !== undefined) expect(position.acknowledged < first).toBe(true);
        expect(position.acknowledged >= before).toBe(true);
        expect(position.inFlight).toBe(unstored(world).length);
        before = position.acknowledged;
      });
    }),
  );
});

test("is always the end of a commit or a WAL end the server named", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const named = new Set<bigint>([0n]);
      play(steps, (position, world) => {
        named.add(world.walEnd);
        expect(named.has(position.acknowledged)).toBe(true);
      });
    }),
  );
});

test("reaches the WAL end as soon as nothing is in flight", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      play(steps, (position, world) => {
        if (!world.partial && position.inFlight === 0) expect(position.acknowledged).toBe(world.walEnd);
      });
    }),
  );
});

test("a position one byte beyond a commit end acknowledges that commit end", () => {
  const position = new AcknowledgedPosition();
  position.begin();
  position.commit(toLsn(100n));
  position.begin();
  position.commit(toLsn(200n));
  position.acknowledge(toLsn(101n));
  expect(position.acknowledged).toBe(100n);
});

test("a keepalive counts for nothing inside a transaction, and once idle again it does", () => {
  const position = new AcknowledgedPosition();
  position.begin();
  position.pass(toLsn(50n));
  expect(position.acknowledged).toBe(0n);
  position.commit(toLsn(100n));
  position.pass(toLsn(150n));
  expect(position.acknowledged).toBe(0n);
  position.acknowledge(toLsn(100n));
  expect(position.acknowledged).toBe(150n);
});

test("forgets what is acknowledged, however many there are", () => {
  const position = new AcknowledgedPosition();
  for (let end = 1n; end <= 20_000n; end++) {
    position.commit(toLsn(end));
    if (end > 100n) position.acknowledge(toLsn(end - 100n));
  }
  expect(position.acknowledged).toBe(19_900n);
  expect(position.inFlight).toBe(100);
});
