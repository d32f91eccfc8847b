/** What all sides of the relay suite publish: about 470 bytes of JSON. */
export interface BenchEvent {
  /** A UUIDv7. */
  readonly id: string;
  readonly key: string;
  /** Place of the event among those of its key, from 1. */
  readonly seq: number;
  readonly order: unknown;
}

/** The effects of events: each is one row in Postgres. */
export interface Effects {
  /** One row, in a transaction of its own. */
  write(event: BenchEvent): Promise<void>;
  /** All rows in one statement, which is one transaction. */
  writeMany(events: readonly BenchEvent[]): Promise<void>;
}

/** Publishes; each promise resolves when what it published is committed. */
export interface PeerProducer extends AsyncDisposable {
  publish(event: BenchEvent): Promise<void>;
  /** As the library publishes many at once. */
  publishMany(events: readonly BenchEvent[]): Promise<void>;
}

/** Servers that a peer may use, with nothing on them that is not its own. */
export interface PeerServers {
  readonly databaseUrl: string;
  /** Where the peer needs one. */
  readonly redisPort: number | undefined;
}

/**
 * Another library that one would use, tuned as its documentation says. Producer and worker are used from two processes.
 */
export interface Peer {
  readonly name: string;
  /** Whether its handler takes one event at a time or several. */
  readonly kind: "message" | "batch";
  /** Takes too long to be run in every round; it cannot be the best. */
  readonly slow: boolean;
  readonly needsRedis: boolean;
  /** Makes its tables. */
  prepare(servers: PeerServers): Promise<void>;
  openProducer(servers: PeerServers): Promise<PeerProducer>;
  /** Works until disposed; begins before it resolves. */
  openWorker(servers: PeerServers, effects: Effects): Promise<AsyncDisposable>;
}
