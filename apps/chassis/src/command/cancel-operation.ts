import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { QuartetError } from "../error/quartet-error.ts";
import { type OperationRecord, OperationState } from "../gen/quartet/v1/operation_pb.ts";
import { runCommit } from "../sql/run-commit.ts";
import { inFlight, OperationWriter } from "./operation-writer.ts";
import { errorToProblem, failOperation, isEnded, isForeignCancel } from "./operations.ts";
import { type Runtime, requireWriter } from "./runtime.ts";

/**
 * Ends an operation as failed with the code `canceled`, unless it has ended: what is decided later finds it ended, and is
 * dropped. So the write happens, or the cancel does, never both.
 *
 * An operation of which the primary knows nothing yet (its event is on the way) is canceled too: the cancel is kept under
 * its id, and counts when the operation turns out to be of the same principal.
 *
 * @param operationId one that was issued
 * @returns the ended operation; one that was canceled before as it is
 * @throws QuartetError `not_found` when it is another principal's; `failed_precondition` when it has ended otherwise;
 * `in_flight` when it is being committed at this moment.
 */
export async function cancelOperation(
  runtime: Runtime,
  operationId: string,
  principal: string,
): Promise<OperationRecord> {
  const { value } = await runCommit(requireWriter(runtime), async (client) => {
    const operations = new OperationWriter(client, runtime.domain.registry);
    const placeholder = {
      operationId,
      principal,
      state: OperationState.ACCEPTED,
      acceptTime: timestampFromDate(new Date()),
    };
    const known = await operations.claim(placeholder);
    if (known !== undefined && isCanceled(known, principal)) return known;
    await failOperation(operations, operationId, errorToProblem(canceled()));
    const record = await operations.get(operationId);
    if (record === undefined) throw inFlight();
    return record;
  });
  return value;
}

/** Whether it was canceled before; else it may be. */
function isCanceled(known: OperationRecord, principal: string): boolean {
  const { operationId } = known;
  // Another principal's cancel of what is not known yet: it would not count, and this one could not be kept beside it.
  if (isForeignCancel(known, principal)) throw inFlight();
  // Whether there is an operation is nobody else's business.
  if (known.principal !== principal) throw operationNotFound(operationId);
  if (!isEnded(known)) return false;
  if (known.problem?.code === "canceled") return true;
  throw new QuartetError("failed_precondition", "The operation has ended: there is nothing to cancel.", {
    fix: `Read /operations/${operationId}; what it did can be undone by another command alone.`,
  });
}

function canceled(): QuartetError {
  return new QuartetError("canceled", "The operation was canceled before anything was written.");
}

export function operationNotFound(operationId: string): QuartetError {
  return new QuartetError("not_found", `There is no operation ${operationId}.`);
}
