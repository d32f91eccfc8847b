/** How much the suite does. */
export interface CommandsPlan {
  readonly rounds: number;
  /** Of each side in each round. */
  readonly requests: number;
  /** Of each side before the first round: a server that has run for some seconds is what is meant. */
  readonly warmUp: number;
  /** Seconds of each steady load. */
  readonly steadySeconds: number;
}

export const fullPlan: CommandsPlan = { rounds: 9, requests: 3_000, warmUp: 12_000, steadySeconds: 30 };

/** Under three minutes: whether it works, and roughly where it stands. */
export const quickPlan: CommandsPlan = { rounds: 3, requests: 2_000, warmUp: 4_000, steadySeconds: 8 };
