import { create, type MessageInitShape, type Registry } from "@bufbuild/protobuf";
import { QuartetError } from "../error/quartet-error.ts";
import { type OperationRecord, OperationRecordSchema } from "../gen/quartet/v1/operation_pb.ts";
import type { StoredRow } from "../pbtable/table-reader.ts";
import { TableWriter } from "../pbtable/table-writer.ts";
import { encodeJson } from "../schema/json/json.ts";
import { printStorable } from "../schema/json/storable-json.ts";
import { tableOf } from "../schema/table/table.ts";
import type { TransactionClient } from "../sql/open-transaction.ts";
import { sqlStateOf, translateDatabaseError } from "../sql/translate-error.ts";
import { publishCallback } from "./callback-event.ts";

type OperationSchema = typeof OperationRecordSchema;
type OperationInit = Exclude<MessageInitShape<OperationSchema>, { readonly $typeName: string }>;

/**
 * Longest wait for another transaction that has claimed the same operation, in ms. Whoever waits so holds a connection,
 * and hundreds of repeats of one request must not hold all of them: they go on waiting without one (`attach.ts`).
 */
const claimLockMs = 50;

/**
 * An insert that succeeds puts the limit that was before back, for the locks of the writes, at no further round trip. What
 * is there already is not tried: making a row takes much longer than to look. To look is made to depend on `before`, or
 * the server would look first, and not set the limit at all for what it finds.
 */
const insertStatement = {
  name: "claim operation",
  text: `with before as materialized (
  select current_setting('lock_timeout') as lock_timeout, set_config('lock_timeout', '${claimLockMs}ms', true)
) insert into quartet.operation (pb) select $1::jsonb from before
where not exists (select from quartet.operation where operation_id = $2 and before.lock_timeout is not null)
on conflict (operation_id) do nothing
returning set_config('lock_timeout', (select lock_timeout from before), true)`,
};

/** The fields that an end brings are whole and new: nothing of another build can be inside them. One statement. */
const endStatement = {
  name: "end operation",
  text:
    "update quartet.operation set pb = pb || $2::jsonb, version = version + 1 where operation_id = $1\n" +
    "returning case when pb ->> 'callbackUrl' <> '' then pb::text end as callback",
};

/** Writes of operations, in a transaction. */
export class OperationWriter extends TableWriter<OperationSchema> {
  readonly #tx: TransactionClient;
  /** Of the operation that is claimed: where its end is to be told. Undefined while that is not known. */
  #callbackUrl: string | undefined;

  constructor(tx: TransactionClient, registry: Registry) {
    super(tableOf(OperationRecordSchema), tx, registry);
    this.#tx = tx;
  }

  /**
   * Stores a new operation unless its id is taken, and locks it. When it is taken, what follows waits for locks only so
   * long: until {@link unlimit}.
   *
   * @returns the operation when it is known already
   * @throws QuartetError `in_flight` when another transaction is storing it, or has it locked.
   */
  async claim(init: OperationInit & { readonly operationId: string }): Promise<OperationRecord | undefined> {
    const json = encodeJson(OperationRecordSchema, create(OperationRecordSchema, init), this.registry);
    const insert = { ...insertStatement, values: [printStorable(json), init.operationId] };
    const [inserted, locked] = await this.#locking(() =>
      this.#tx.queryAll([insert, this.lockStatement([init.operationId])]),
    );
    const [row] = (locked?.rows ?? []) as readonly StoredRow[];
    if (row === undefined) throw inFlight();
    const known = inserted?.rowCount === 1 ? undefined : this.decodeRow(row);
    this.#callbackUrl = known === undefined ? (init.callbackUrl ?? "") : known.callbackUrl;
    return known;
  }

  /** Lets locks be waited for as long as the session may. */
  unlimit(): void {
    this.#tx.defer({ name: "unlimit locks", text: "set local lock_timeout to default" });
  }

  /** What replaces a claimed operation may be told elsewhere. */
  override async update(...update: Parameters<TableWriter<OperationSchema>["update"]>) {
    this.#callbackUrl = undefined;
    return super.update(...update);
  }

  /**
   * Ends a claimed operation, and publishes that to whoever wants to be called back. Sets fields: those of `fields`, each
   * as a whole.
   */
  async set(operationId: string, fields: OperationInit): Promise<void> {
    const record = create(OperationRecordSchema, fields);
    const json = encodeJson(OperationRecordSchema, record, this.registry) as Readonly<Record<string, never>>;
    const set = Object.fromEntries(
      Object.keys(fields).flatMap((name) => (name in json ? [[name, json[name]]] : [])),
    );
    const statement = { ...endStatement, values: [operationId, printStorable(set as never)] };
    if (this.#callbackUrl === "" && !fields.callbackUrl) return this.#tx.defer(statement);
    const [row] = await this.run<{ readonly callback: string | null }>(statement);
    if (row?.callback) await publishCallback(this.client, row.callback, this.registry);
  }

  async #locking<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      if (sqlStateOf(cause) === "55P03") throw inFlight(cause);
      throw translateDatabaseError(cause);
    }
  }
}

/** Another request with the same key runs at this moment. */
export function inFlight(cause?: unknown): QuartetError {
  return new QuartetError("in_flight", "A request with this key is in flight.", {
    cause,
    retryAfterSeconds: 1,
    fix: "Send the same request with the same Idempotency-Key again.",
  });
}
