import { expect, test } from "vitest";
import type { Position } from "../../position/position.ts";
import { ReplicaPlaces } from "./replica-places.ts";
import type { Upstream } from "./upstream-pool.ts";

const upstream = (url: string): Upstream => ({ url, downUntilMs: 0, failures: 0 });
const [a, b, c] = [upstream("a"), upstream("b"), upstream("c")];
const asked: Position = { systemId: "1", timeline: 1, lsn: 0x20n };
const read = (position: string) => ({ "quartet-position": position });
const behind = (position: string) => ({ "quartet-replayed": position });

test("asks those first that are known to be there, and those last that were behind a moment ago", () => {
  const places = new ReplicaPlaces();
  places.learn(a, behind("1-1-0/10"), 1_000);
  places.learn(b, read("1-1-0/10"), 1_000);
  places.learn(c, read("1-1-0/20"), 1_000);
  expect(places.order([a, b, c], asked, 1_100)).toEqual({ promising: [c, b], behind: [a] });
  expect(places.order([a, b, c], asked, 1_300)).toEqual({ promising: [c, a, b], behind: [] });
});

test("one that was behind a later position is asked for an earlier one as before", () => {
  const places = new ReplicaPlaces();
  places.learn(a, behind("1-1-0/30"), 1_000);
  expect(places.order([b, a], asked, 1_001)).toEqual({ promising: [a, b], behind: [] });
});

test("places of another system or timeline prove nothing, nor does what is no place", () => {
  const places = new ReplicaPlaces();
  places.learn(a, read("2-1-0/90"), 1_000);
  places.learn(b, read("1-2-0/90"), 1_000);
  places.learn(c, behind("junk"), 1_000);
  expect(places.order([a, b, c], asked, 1_001)).toEqual({ promising: [a, b, c], behind: [] });
});

test("keeps the turn for whoever asks for nothing", () => {
  const places = new ReplicaPlaces();
  places.learn(a, behind("1-1-0/10"), 1_000);
  expect(places.order([a, b], undefined, 1_001)).toEqual({ promising: [a, b], behind: [] });
});
