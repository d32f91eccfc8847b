import type { Lsn } from "./lsn.ts";

/** What a stream has seen so far. All of it only grows, except `paused`. */
export interface StreamProgress {
  /** Bytes of data frames: rows, but also begin, commit and messages. Keepalives do not count. */
  readonly dataBytes: number;
  /** The greatest WAL position that a keepalive has named: the server has decoded and sent all before it. */
  readonly walEnd: Lsn;
  /** The consumer holds back: nothing is read from the socket. */
  readonly paused: boolean;
  /** Bytes on the wire that wait for the consumer, the transaction that is being received included. */
  readonly bufferedBytes: number;
}
