/** How much the suite does. */
export interface RelayPlan {
  /** Rounds in which the sides take turns. */
  readonly rounds: number;
  readonly backlog: number;
  readonly peerBacklog: number;
  /** Of peers that cannot be the best. Undefined: they are left out. */
  readonly slowPeerBacklog: number | undefined;
  readonly liveSeconds: number;
  /** Rates of events at which peers are run live, beside ours. */
  readonly livePeerRates: readonly number[];
  readonly hanging: { readonly events: number; readonly rounds: number };
  readonly decoding: { readonly transactions: number; readonly rounds: number };
  readonly memory: { readonly small: number; readonly large: number };
}

export const fullPlan: RelayPlan = {
  rounds: 3,
  backlog: 200_000,
  peerBacklog: 20_000,
  slowPeerBacklog: 20_000,
  liveSeconds: 15,
  livePeerRates: [500, 2_000],
  hanging: { events: 4_000, rounds: 3 },
  decoding: { transactions: 100_000, rounds: 5 },
  memory: { small: 20_000, large: 1_000_000 },
};

/** Under three minutes: whether it works, and roughly where it stands. */
export const quickPlan: RelayPlan = {
  rounds: 1,
  backlog: 40_000,
  peerBacklog: 10_000,
  slowPeerBacklog: undefined,
  liveSeconds: 4,
  livePeerRates: [500],
  hanging: { events: 1_000, rounds: 1 },
  decoding: { transactions: 20_000, rounds: 1 },
  memory: { small: 20_000, large: 150_000 },
};
