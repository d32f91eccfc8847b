/** One side of a comparison. */
export interface Contestant {
  readonly name: string;
  /** Does `count` operations and resolves when all have had their effect. */
  run(count: number): Promise<void>;
  /** Checks, untimed and after every run, that all operations so far had their effects; throws when they had not. */
  verify?(done: number): Promise<void>;
}

export interface ContestPlan {
  readonly name: string;
  readonly contestants: readonly [Contestant, Contestant];
  /** Operations per round. */
  readonly count: number;
  readonly rounds: number;
  /** Operations of each before the first round, so that code is compiled. Default: as many as in a round. */
  readonly warmUp?: number;
  readonly log: (line: string) => void;
}

/** What the first contestant did, as a multiple of the second's rate. */
export interface ContestResult {
  /** Median over the rounds of the rate of the first divided by that of the second in the same round. */
  readonly ratio: number;
  readonly spread: readonly [number, number];
  /** Median operations per second of each. */
  readonly rates: readonly [number, number];
}

/**
 * Runs two contestants in turn, changing who begins each round, so that what else the machine does hits both alike.
 * One round before is for warming up. The work is verified before any speed is said.
 */
export async function runContest(plan: ContestPlan): Promise<ContestResult> {
  const [first, second] = plan.contestants;
  const { warmUp = plan.count } = plan;
  for (const contestant of plan.contestants) {
    await contestant.run(warmUp);
    await contestant.verify?.(warmUp);
  }
  const pairs: [number, number][] = [];
  for (let round = 0; round < plan.rounds; round++) {
    const rates = new Map<Contestant, number>();
    for (const contestant of round % 2 === 0 ? [first, second] : [second, first]) {
      rates.set(contestant, await measure(contestant, plan.count));
      await contestant.verify?.(warmUp + plan.count * (round + 1));
    }
    pairs.push([rates.get(first) ?? 0, rates.get(second) ?? 1]);
  }
  const ratios = pairs.map(([mine, theirs]) => mine / theirs);
  const result: ContestResult = {
    ratio: median(ratios),
    spread: [Math.min(...ratios), Math.max(...ratios)],
    rates: [median(pairs.map(([mine]) => mine)), median(pairs.map(([, theirs]) => theirs))],
  };
  plan.log(`${plan.name}: ${describeResult(plan, result)}`);
  return result;
}

/** The two rates and the ratio with its spread, in words. */
export function describeResult(plan: ContestPlan, result: ContestResult): string {
  const [first, second] = plan.contestants;
  const [low, high] = result.spread.map((ratio) => ratio.toFixed(2));
  return (
    `${first.name} ${Math.round(result.rates[0])}/s, ${second.name} ${Math.round(result.rates[1])}/s, ` +
    `${result.ratio.toFixed(2)} (${low} to ${high} in ${plan.rounds} rounds)`
  );
}

async function measure(contestant: Contestant, count: number): Promise<number> {
  const start = performance.now();
  await contestant.run(count);
  return (count * 1_000) / (performance.now() - start);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const high = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? high) + high) / 2;
}

/** Does `count` operations with so many under way at once. */
export async function inParallel(
  count: number,
  width: number,
  operation: (index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < count) await operation(next++);
  };
  await Promise.all(Array.from({ length: width }, lane));
}
