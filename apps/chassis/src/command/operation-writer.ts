import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { QuartetError } from "../error/quartet-error.ts";
import { OperationRecordSchema } from "../gen/quartet/v1/operation_pb.ts";
import { TableWriter } from "../pbtable/table-writer.ts";
import { sqlStateOf } from "../pbtable/translate-error.ts";
import { encodeJson } from "../schema/json/json.ts";
import { printStorable } from "../schema/json/storable-json.ts";
import { publishCallback } from "./callback-event.ts";

type OperationSchema = typeof OperationRecordSchema;
type OperationInit = Exclude<MessageInitShape<OperationSchema>, { readonly $typeName: string }>;

/**
 * Longest wait for another transaction that has claimed the same operation, in ms. Whoever waits so holds a connection,
 * and hundreds of repeats of one request must not hold all of them: they go on waiting without one (`attach.ts`).
 */
const claimLockMs = 50;

/** An insert that succeeds puts the limit that was before back, for the locks of the writes, at no further round trip. */
const insertStatement = {
  name: "claim operation",
  text: `with before as materialized (
  select current_setting('lock_timeout') as lock_timeout, set_config('lock_timeout', '${claimLockMs}ms', true)
) insert into quartet.operation (pb) select $1::jsonb from before on conflict (operation_id) do nothing
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
  /**
   * Stores a new operation unless its id is taken, and limits how long what follows waits for locks when it is: until
   * {@link unlimit}.
   *
   * @returns whether it did
   * @throws QuartetError `in_flight` when another transaction is storing it.
   */
  async claimNew(init: OperationInit): Promise<boolean> {
    const json = encodeJson(OperationRecordSchema, create(OperationRecordSchema, init), this.registry);
    return this.#locking(async () => {
      const { rowCount } = await this.client.query({ ...insertStatement, values: [printStorable(json)] });
      return rowCount === 1;
    });
  }

  /** Reads an operation and locks it. @throws QuartetError `in_flight` when another transaction has it locked. */
  async claimKnown(operationId: string) {
    return this.#locking(() => this.getForUpdate(operationId));
  }

  /** Lets locks be waited for as long as the session may. */
  async unlimit(): Promise<void> {
    await this.client.query({ text: "set local lock_timeout to default" });
  }

  /** Ends a claimed operation, and publishes that to whoever wants to be called back. Sets fields: those of `fields`, each as a whole. */
  async set(operationId: string, fields: OperationInit): Promise<void> {
    const record = create(OperationRecordSchema, fields);
    const json = encodeJson(OperationRecordSchema, record, this.registry) as Readonly<Record<string, never>>;
    const set = Object.fromEntries(
      Object.keys(fields).flatMap((name) => (name in json ? [[name, json[name]]] : [])),
    );
    const [row] = await this.run<{ readonly callback: string | null }>({
      ...endStatement,
      values: [operationId, printStorable(set as never)],
    });
    if (row?.callback) await publishCallback(this.client, row.callback, this.registry);
  }

  async #locking<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      if (sqlStateOf(cause) === "55P03") throw inFlight(cause);
      throw cause;
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
