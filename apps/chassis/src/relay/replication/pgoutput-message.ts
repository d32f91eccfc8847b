import type { Lsn } from "./lsn.ts";

/** One column's value in text format; `undefined` is an unchanged TOASTed value, which the server does not send. */
export type TupleValue = string | null | undefined;

/** A table as the following row messages refer to it. Sent before its first row, and again when it has changed. */
export interface RelationMessage {
  readonly kind: "relation";
  readonly relationId: number;
  readonly schema: string;
  readonly table: string;
  readonly columns: readonly string[];
}

/** The first message of a transaction; without streaming it is sent when the transaction has committed. */
export interface BeginMessage {
  readonly kind: "begin";
  /** Where the commit record starts. */
  readonly commitLsn: Lsn;
  readonly commitTime: Date;
  readonly xid: number;
}

export interface CommitMessage {
  readonly kind: "commit";
  readonly commitLsn: Lsn;
  /** Where the commit record ends: the position to acknowledge, and the start of what is sent after a reconnect. */
  readonly commitEndLsn: Lsn;
}

/**
 * The messages of pgoutput's protocol version 1
 * (https://www.postgresql.org/docs/18/protocol-logicalrep-message-formats.html), reduced to what a reader needs; all but
 * inserts, which make no message but a row at once.
 */
export type PgoutputMessage =
  | BeginMessage
  | CommitMessage
  | RelationMessage
  | {
      readonly kind: "update";
      readonly relationId: number;
      /** The old key (`K`) or the old row (`O`), where the replica identity makes the server send one. */
      readonly old: readonly TupleValue[] | null;
      readonly tuple: readonly TupleValue[];
    }
  | { readonly kind: "delete"; readonly relationId: number; readonly old: readonly TupleValue[] }
  | { readonly kind: "truncate"; readonly relationIds: readonly number[] }
  | {
      readonly kind: "message";
      readonly transactional: boolean;
      readonly lsn: Lsn;
      readonly prefix: string;
      readonly content: Buffer;
    }
  | { readonly kind: "type"; readonly typeId: number; readonly schema: string; readonly name: string }
  | { readonly kind: "origin"; readonly lsn: Lsn; readonly name: string };
