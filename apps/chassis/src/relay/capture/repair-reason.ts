/** Why the log of an outbox has to be repaired from its table: for people, metrics and `quartet doctor`. */
export const repairReasons = {
  neverCaptured: "this outbox was never captured",
  otherSystem: "the outbox is on another database system than before",
  promotion: "the server was promoted: its history forked off the one that was captured",
  rewound: "the server's WAL ends before what was captured: it was restored or lost its last writes",
  slotMissing: "the replication slot is missing",
  slotInvalidated: "the server has invalidated the replication slot",
  logRestored: "the slot stands beyond the log: the log was restored from a backup",
  outboxRestored: "the outbox lacks the last captured event: its database was restored from a backup",
  publicationMissing: "the publication was missing when events were written",
} as const;

/** Those by which a database is not what it was: it may lack its last writes. */
const reasonsOfLoss: ReadonlySet<string> = new Set([
  repairReasons.otherSystem,
  repairReasons.promotion,
  repairReasons.rewound,
  repairReasons.outboxRestored,
]);

/** Whether a log in the outbox' own database may have gone back with it. */
export function mayHaveLost(reason: string): boolean {
  return reasonsOfLoss.has(reason);
}
