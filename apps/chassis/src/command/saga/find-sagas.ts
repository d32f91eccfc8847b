import type { Registry } from "@bufbuild/protobuf";
import { QuartetError } from "../../error/quartet-error.ts";
import {
  type SagaInstance,
  SagaInstanceSchema,
  SagaRetrySchema,
  SagaStatus,
} from "../../gen/quartet/v1/saga_pb.ts";
import { publish } from "../../outbox/publish.ts";
import { TableReader } from "../../pbtable/table-reader.ts";
import { tableOf } from "../../schema/table/table.ts";
import type { SqlClient } from "../../sql/sql-client.ts";

/** Which runs of sagas. */
export interface SagaChoice {
  readonly saga?: string | undefined;
  readonly status?: SagaStatus | undefined;
  /** At most so many, 1 to 1000. */
  readonly limit: number;
}

/** Runs of sagas as a main database shows them, those that moved last first. */
export async function listSagas(
  client: SqlClient,
  registry: Registry,
  { saga, status, limit }: SagaChoice,
): Promise<readonly SagaInstance[]> {
  const page = await readerOf(client, registry).list({
    where: { ...(saga === undefined ? {} : { saga }), ...(status === undefined ? {} : { status }) },
    orderBy: ["updateTime desc"],
    pageSize: limit,
  });
  return page.messages;
}

/** @throws QuartetError `not_found` when it has not begun. */
export async function findSaga(
  client: SqlClient,
  registry: Registry,
  saga: string,
  key: string,
): Promise<SagaInstance> {
  const found = await readerOf(client, registry).get([saga, key]);
  if (found !== undefined) return found;
  throw new QuartetError("not_found", `There is no run ${key} of a saga ${saga}.`);
}

/**
 * Lets a run that is stuck try its compensation again. Needs INSERT on the main database's outbox.
 *
 * @throws QuartetError `not_found` when there is no such run, `failed_precondition` when it is not stuck.
 */
export async function retrySaga(
  client: SqlClient,
  registry: Registry,
  saga: string,
  key: string,
): Promise<void> {
  const { status } = await findSaga(client, registry, saga, key);
  if (status !== SagaStatus.STUCK) {
    throw new QuartetError("failed_precondition", `The run ${key} of ${saga} is not stuck.`);
  }
  await publish(client, SagaRetrySchema, { saga, instanceKey: key });
}

function readerOf(client: SqlClient, registry: Registry): TableReader<typeof SagaInstanceSchema> {
  return new TableReader(tableOf(SagaInstanceSchema), client, registry);
}
