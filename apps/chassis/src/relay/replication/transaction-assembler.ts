import { QuartetError } from "../../error/quartet-error.ts";
import { type KnownRelation, readInsertedRow, readInsertRelationId } from "./inserted-row.ts";
import { decodePgoutput, insertTag } from "./pgoutput.ts";
import type { BeginMessage, CommitMessage, PgoutputMessage, RelationMessage } from "./pgoutput-message.ts";
import type { CapturedRow, TransactionPart } from "./transaction-part.ts";

/** Where transactions are cut into parts. */
export interface PartLimits {
  readonly maxRows: number;
  /** Of the rows' frames on the wire; reached by the row that crosses it. */
  readonly maxBytes: number;
}

/** The part that is being received. */
interface OpenPart {
  readonly begin: BeginMessage;
  readonly firstRow: number;
  readonly rows: CapturedRow[];
  bytes: number;
}

/**
 * Turns pgoutput messages into parts of transactions, in the server's order, which is commit order. The server sends a
 * transaction when it has committed and names the commit with its first message, so that rows can be handed over before
 * the last has come. Outboxes are append-only: updates, deletes and truncations carry no event and are reported to
 * `onWarning`, once per table and kind.
 */
export class TransactionAssembler {
  readonly #limits: PartLimits;
  readonly #onWarning: (message: string) => void;
  readonly #relations = new Map<number, KnownRelation>();
  readonly #warned = new Set<string>();
  #open: OpenPart | null = null;

  constructor(limits: PartLimits, onWarning: (message: string) => void) {
    this.#limits = limits;
    this.#onWarning = onWarning;
  }

  /**
   * Takes the message that starts at `offset` and fills the frame. Returns the part that it completes: a full one, or at
   * a commit the last one, which has no rows where nothing was inserted since the last cut. Throws `internal` when
   * messages are malformed or come out of order.
   */
  add(frame: Buffer, offset: number): TransactionPart | undefined {
    if (frame[offset] === insertTag) return this.#insert(frame, offset);
    return this.#addMessage(decodePgoutput(frame, offset));
  }

  #addMessage(message: PgoutputMessage): TransactionPart | undefined {
    switch (message.kind) {
      case "begin":
        if (this.#open) throw outOfOrder("begin");
        this.#open = { begin: message, firstRow: 0, rows: [], bytes: 0 };
        return undefined;
      case "commit":
        return this.#complete(message);
      case "relation":
        this.#learn(message);
        return undefined;
      case "update":
      case "delete":
        this.#ignore(message.kind, message.relationId);
        return undefined;
      case "truncate":
        for (const relationId of message.relationIds) this.#ignore(message.kind, relationId);
        return undefined;
      default: // message, type, origin: nothing to hand over
        return undefined;
    }
  }

  #insert(frame: Buffer, offset: number): TransactionPart | undefined {
    const open = this.#openPart("insert");
    const relation = this.#relation(readInsertRelationId(frame, offset));
    open.rows.push(readInsertedRow(frame, offset, relation));
    open.bytes += frame.length;
    if (open.rows.length < this.#limits.maxRows && open.bytes < this.#limits.maxBytes) return undefined;
    this.#open = { begin: open.begin, firstRow: open.firstRow + open.rows.length, rows: [], bytes: 0 };
    return partOf(open, undefined);
  }

  #complete({ commitLsn, commitEndLsn }: CommitMessage): TransactionPart {
    const open = this.#openPart("commit");
    // Parts are already handed over under the name that begin gave.
    if (commitLsn !== open.begin.commitLsn) throw outOfOrder("commit of another transaction");
    this.#open = null;
    return partOf(open, commitEndLsn);
  }

  #learn(relation: RelationMessage): void {
    const name = `${relation.schema}.${relation.table}`;
    this.#relations.set(relation.relationId, { name, columns: relation.columns });
  }

  #relation(relationId: number): KnownRelation {
    const relation = this.#relations.get(relationId);
    if (!relation) throw outOfOrder(`row of unknown table ${relationId}`);
    return relation;
  }

  #openPart(what: string): OpenPart {
    if (!this.#open) throw outOfOrder(what);
    return this.#open;
  }

  #ignore(kind: string, relationId: number): void {
    const { name } = this.#relation(relationId);
    if (this.#warned.has(`${kind} ${name}`)) return;
    this.#warned.add(`${kind} ${name}`);
    this.#onWarning(
      `Ignored ${kind} on ${name}: an outbox is append-only; publish it with (publish = 'insert').`,
    );
  }
}

function partOf(open: OpenPart, commitEndLsn: TransactionPart["commitEndLsn"]): TransactionPart {
  const { begin, firstRow, rows } = open;
  return { commitLsn: begin.commitLsn, commitEndLsn, commitTime: begin.commitTime, firstRow, rows };
}

function outOfOrder(what: string): QuartetError {
  return new QuartetError("internal", `Unexpected pgoutput message: ${what}.`);
}
