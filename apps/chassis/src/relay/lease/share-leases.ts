/** What the leases of a deployment are like at a moment. */
export interface LeaseView {
  /** This process, and the others that live. */
  readonly process: string;
  readonly others: readonly string[];
  /** All that is to be held by somebody. */
  readonly wanted: readonly string[];
  /** Who holds what, by name. What is expired or free is left out. */
  readonly holders: ReadonlyMap<string, string>;
}

/** What a process does about its share. */
export interface LeasePlan {
  /** To be claimed, the one to be preferred first. */
  readonly claim: readonly string[];
  /** To be given back. */
  readonly giveBack: readonly string[];
  /** How many it should hold. */
  readonly share: number;
}

/**
 * Shares evenly: with n wanted and p processes each holds n/p, rounded down or up. Those that hold most are the ones that
 * may round up, so nothing moves where the difference is one. A process that lacks some takes free ones; one that has too
 * many gives back.
 *
 * Kinds (`capture`, `subscription`) are spread: of two names that could be taken it takes the one of whose kind it has
 * fewer, and gives back that of which it has more.
 */
export function planLeases(view: LeaseView): LeasePlan {
  const { process, wanted, holders } = view;
  const known = new Set(wanted);
  const held = [...holders].flatMap(([name, holder]) => (holder === process ? [name] : []));
  const unwanted = held.filter((name) => !known.has(name));
  const kept = held.filter((name) => known.has(name));
  const share = shareOf(view);
  const free = wanted.filter((name) => !holders.has(name));
  return {
    share,
    claim: chooseFewest(free, kept, process, share - kept.length),
    giveBack: [...unwanted, ...chooseMost(kept, kept.length - share)],
  };
}

function shareOf({ process, others, wanted, holders }: LeaseView): number {
  const counts = new Map([process, ...others].map((name) => [name, 0]));
  for (const name of wanted) {
    const holder = holders.get(name);
    const count = holder === undefined ? undefined : counts.get(holder);
    if (holder !== undefined && count !== undefined) counts.set(holder, count + 1);
  }
  const ranked = [...counts].sort(([a, countA], [b, countB]) => countB - countA || (a < b ? -1 : 1));
  const base = Math.floor(wanted.length / ranked.length);
  const roundUp = ranked.slice(0, wanted.length % ranked.length).some(([name]) => name === process);
  return roundUp ? base + 1 : base;
}

/** Processes that choose at the same moment should not choose alike: the order of names is another for each. */
function chooseFewest(
  free: readonly string[],
  held: readonly string[],
  process: string,
  count: number,
): string[] {
  const kinds = countKinds(held);
  const left = [...free].sort((a, b) => mix(process + a) - mix(process + b));
  const chosen: string[] = [];
  while (chosen.length < count && left.length > 0) {
    const counts = left.map((name) => kinds.get(kindOf(name)) ?? 0);
    const [name = ""] = left.splice(counts.indexOf(Math.min(...counts)), 1);
    kinds.set(kindOf(name), (kinds.get(kindOf(name)) ?? 0) + 1);
    chosen.push(name);
  }
  return chosen;
}

function chooseMost(held: readonly string[], count: number): string[] {
  const kinds = countKinds(held);
  const left = [...held].sort();
  const chosen: string[] = [];
  while (chosen.length < count && left.length > 0) {
    const counts = left.map((name) => kinds.get(kindOf(name)) ?? 0);
    const [name = ""] = left.splice(counts.indexOf(Math.max(...counts)), 1);
    kinds.set(kindOf(name), (kinds.get(kindOf(name)) ?? 0) - 1);
    chosen.push(name);
  }
  return chosen;
}

function countKinds(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(kindOf(name), (counts.get(kindOf(name)) ?? 0) + 1);
  return counts;
}

/** What comes before the first slash. */
function kindOf(name: string): string {
  return name.split("/", 1)[0] ?? name;
}

/** FNV-1a. */
function mix(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193) >>> 0;
  }
  return hash;
}
