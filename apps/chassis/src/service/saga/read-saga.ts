import { type SagaInstance, SagaInstanceSchema } from "../../gen/quartet/v1/saga_pb.ts";
import type { QueryContext } from "../contexts.ts";
import type { Saga } from "./saga.ts";

/**
 * A run of a saga as the database of this process shows it: how far it is, and why. Undefined: it has not begun, or has
 * ended so long ago that it is forgotten.
 */
export function readSaga(ctx: QueryContext, saga: Saga, key: string): Promise<SagaInstance | undefined> {
  return readSagaRow(ctx, saga.name, key);
}

export function readSagaRow(
  ctx: QueryContext,
  saga: string,
  instanceKey: string,
): Promise<SagaInstance | undefined> {
  // No decision rests on it: a run that moves on meanwhile is what the write finds out under its lock.
  return ctx.table(SagaInstanceSchema).peek([saga, instanceKey]);
}
