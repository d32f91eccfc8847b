import { QuartetError } from "../../error/quartet-error.ts";
import type { CapturedRow, CapturedTransaction } from "./captured-transaction.ts";
import type { CommitMessage, InsertMessage, PgoutputMessage, RelationMessage } from "./pgoutput-message.ts";

interface KnownRelation {
  readonly name: string;
  readonly columns: readonly string[];
}

/**
 * Turns pgoutput messages into transactions, in the server's order, which is commit order. Outboxes are append-only:
 * updates, deletes and truncations carry no event and are reported to `onWarning`, once per table and kind.
 */
export class TransactionAssembler {
  readonly #onWarning: (message: string) => void;
  readonly #relations = new Map<number, KnownRelation>();
  readonly #warned = new Set<string>();
  #rows: CapturedRow[] | null = null;

  constructor(onWarning: (message: string) => void) {
    this.#onWarning = onWarning;
  }

  /** Returns the transaction that this message completes. Throws `internal` when messages come out of order. */
  add(message: PgoutputMessage): CapturedTransaction | undefined {
    switch (message.kind) {
      case "insert":
        this.#openRows("insert").push(this.#rowOf(message));
        return undefined;
      case "begin":
        if (this.#rows) throw outOfOrder("begin");
        this.#rows = [];
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
      default: // message, type, origin: nothing to store
        return undefined;
    }
  }

  #learn(relation: RelationMessage): void {
    const name = `${relation.schema}.${relation.table}`;
    this.#relations.set(relation.relationId, { name, columns: relation.columns });
  }

  #complete(commit: CommitMessage): CapturedTransaction {
    const { commitEndLsn, commitLsn, commitTime } = commit;
    const rows = this.#openRows("commit");
    this.#rows = null;
    return { commitEndLsn, commitLsn, commitTime, rows };
  }

  #rowOf(insert: InsertMessage): CapturedRow {
    const relation = this.#relation(insert.relationId);
    const { columns } = relation;
    if (insert.tuple.length !== columns.length) throw outOfOrder(`insert into ${relation.name}`);
    const values: Record<string, string | null> = {};
    for (let column = 0; column < columns.length; column++) {
      const value = insert.tuple[column];
      if (value === undefined) throw outOfOrder(`insert without all values into ${relation.name}`);
      values[columns[column] as string] = value; // within bounds: both lengths are equal
    }
    return { relation: relation.name, values };
  }

  #relation(relationId: number): KnownRelation {
    const relation = this.#relations.get(relationId);
    if (!relation) throw outOfOrder(`row of unknown table ${relationId}`);
    return relation;
  }

  #openRows(what: string): CapturedRow[] {
    if (!this.#rows) throw outOfOrder(what);
    return this.#rows;
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

function outOfOrder(what: string): QuartetError {
  return new QuartetError("internal", `Unexpected pgoutput message: ${what}.`);
}
