import fc from "fast-check";
import { expect, test } from "vitest";
import { AcknowledgedPosition } from "./acknowledged-position.ts";
import { type Lsn, toLsn } from "./lsn.ts";

type Step =
  | { readonly kind: "transaction"; readonly length: number; readonly empty: boolean }
  | { readonly kind: "begin" }
  | { readonly kind: "keepalive"; readonly distance: number }
  /** Hands over so many of the transactions that wait. */
  | { readonly kind: "handOver"; readonly count: number }
  /** Acknowledges the commit this far back, and this many bytes beyond it. */
  | { readonly kind: "acknowledge"; readonly back: number; readonly beyond: number }
  | { readonly kind: "acknowledgeSettled" };

const length = fc.integer({ min: 1, max: 50 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("transaction" as const), length, empty: fc.boolean() }),
  fc.record({ kind: fc.constant("begin" as const) }),
  fc.record({ kind: fc.constant("keepalive" as const), distance: fc.nat(50) }),
  fc.record({ kind: fc.constant("handOver" as const), count: fc.nat(3) }),
  fc.record({ kind: fc.constant("acknowledge" as const), back: fc.nat(5), beyond: fc.nat(100) }),
  fc.record({ kind: fc.constant("acknowledgeSettled" as const) }),
);

interface World {
  walEnd: bigint;
  partial: boolean;
  /** Commit ends with something to hand over, and how many of them were. */
  received: Lsn[];
  handedOver: number;
  /** Everything that was handed over and commits up to here is stored. */
  stored: bigint;
  /** The greatest position that the consumer gave. */
  given: bigint;
}

/** Plays steps as a server would send them and a consumer acknowledge them; `check` sees every state. */
function play(
  steps: readonly Step[],
  check: (position: AcknowledgedPosition, world: World, next: Step) => void,
): void {
  const position = new AcknowledgedPosition();
  const world: World = { walEnd: 0n, partial: false, received: [], handedOver: 0, stored: -1n, given: 0n };
  for (const next of steps) {
    apply(next, position, world);
    check(position, world, next);
  }
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
    case "handOver":
      for (let count = 0; count < next.count; count++) {
        const end = world.received[world.handedOver];
        if (end === undefined) break;
        world.handedOver++;
        position.handOver(end);
      }
      break;
    case "acknowledge": {
      const commitEnd = world.received.at(-1 - next.back);
      if (commitEnd !== undefined) give(toLsn(commitEnd + BigInt(next.beyond)), position, world);
      break;
    }
    case "acknowledgeSettled":
      give(position.settled, position, world);
  }
}

function give(lsn: Lsn, position: AcknowledgedPosition, world: World): void {
  position.acknowledge(lsn);
  // Only what has been handed over by now: a later commit is not stored, even if it ends below this position.
  const stored = world.received.slice(0, world.handedOver).findLast((end) => end <= lsn) ?? 0n;
  if (stored > world.stored) world.stored = stored;
  if (lsn > world.given) world.given = lsn;
}

const unstored = (world: World) => world.received.filter((end) => end > world.stored);

test("settled and acknowledged never pass a commit that is not stored, and never go back", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let before = { settled: 0n, acknowledged: 0n };
      play(steps, ({ settled, acknowledged, inFlight }, world) => {
        const [first] = unstored(world);
        if (first !== undefined) expect(settled < first).toBe(true);
        expect(acknowledged <= settled).toBe(true);
        expect(settled >= before.settled && acknowledged >= before.acknowledged).toBe(true);
        expect(inFlight).toBe(unstored(world).length);
        before = { settled, acknowledged };
      });
    }),
  );
});

test("acknowledged moves by acknowledge alone, and never beyond what was given", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let before = 0n;
      play(steps, ({ acknowledged }, world, { kind }) => {
        if (kind !== "acknowledge" && kind !== "acknowledgeSettled") expect(acknowledged).toBe(before);
        expect(acknowledged <= world.given).toBe(true);
        before = acknowledged;
      });
    }),
  );
});

test("settled is always the end of a commit or a WAL end the server named", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const named = new Set<bigint>([0n]);
      play(steps, ({ settled }, world) => {
        named.add(world.walEnd);
        expect(named.has(settled)).toBe(true);
      });
    }),
  );
});

test("settled reaches the WAL end as soon as nothing is in flight, and can be acknowledged then", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      play(steps, (position, world, { kind }) => {
        if (world.partial || position.inFlight > 0) return;
        expect(position.settled).toBe(world.walEnd);
        if (kind === "acknowledgeSettled") expect(position.acknowledged).toBe(world.walEnd);
      });
    }),
  );
});

test("a position one byte beyond a commit end acknowledges that commit end", () => {
  const position = new AcknowledgedPosition();
  for (const end of [toLsn(100n), toLsn(200n)]) {
    position.begin();
    position.commit(end);
    position.handOver(end);
  }
  position.acknowledge(toLsn(101n));
  expect(position.acknowledged).toBe(100n);
});

test("a commit that was not handed over is not acknowledged, whatever the consumer says", () => {
  const position = new AcknowledgedPosition();
  position.begin();
  position.commit(toLsn(100n));
  position.acknowledge(toLsn(1_000n));
  expect(position.acknowledged).toBe(0n);
});

test("a keepalive counts for nothing inside a transaction, and is settled once idle again", () => {
  const position = new AcknowledgedPosition();
  position.begin();
  position.pass(toLsn(50n));
  expect(position.settled).toBe(0n);
  position.commit(toLsn(100n));
  position.handOver(toLsn(100n));
  position.pass(toLsn(150n));
  expect(position.settled).toBe(0n);
  position.acknowledge(toLsn(100n));
  expect(position.settled).toBe(150n);
  expect(position.acknowledged).toBe(100n);
});

test("forgets what is acknowledged, however many there are", () => {
  const position = new AcknowledgedPosition();
  for (let end = 1n; end <= 20_000n; end++) {
    position.commit(toLsn(end));
    position.handOver(toLsn(end));
    if (end > 100n) position.acknowledge(toLsn(end - 100n));
  }
  expect(position.acknowledged).toBe(19_900n);
  expect(position.inFlight).toBe(100);
});
