import type { DescMessage, Message, MessageShape, Registry } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import type { SagaStepDue } from "../../gen/quartet/v1/saga_pb.ts";
import { unpackAny } from "../../schema/unpack-any.ts";
import type { Saga, SagaState } from "./saga.ts";

/** What a step's code is told, all of it from the event that makes the step due. */
export function createSagaState(saga: Saga, due: SagaStepDue, registry: Registry): SagaState<DescMessage> {
  const outcomes = new Map<string, Message>();
  for (const any of due.outcomes) {
    // One of a type that this build does not know is not asked for by its code.
    const message = anyUnpack(any, registry);
    if (message !== undefined) outcomes.set(message.$typeName, message);
  }
  const { failedStep: step, reason, backward } = due;
  return {
    key: due.instanceKey,
    start: unpackAny(due.start, registry).message as MessageShape<typeof saga.start>,
    failure: backward ? { step, reason } : undefined,
    outcome: <D extends DescMessage>(event: D) => outcomes.get(event.typeName) as MessageShape<D> | undefined,
  };
}
