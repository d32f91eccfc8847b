import type { Registry } from "@bufbuild/protobuf";
import type { Pool } from "pg";
import type { OperationRecord } from "../gen/quartet/v1/operation_pb.ts";
import { GroupQueue } from "../inbox/group-queue.ts";
import { operationReader } from "./operations.ts";

interface Waiting {
  readonly operationId: string;
  resolve(record: OperationRecord | undefined): void;
  reject(error: unknown): void;
}

const maxRunning = 1;
const maxTogether = 100;

/** Looks operations up by id: those asked for at the same time in one query. */
export class OperationLookup {
  readonly #queue: GroupQueue<Waiting>;

  constructor(pool: Pool, registry: Registry) {
    const reader = operationReader(pool, registry);
    this.#queue = new GroupQueue<Waiting>({
      maxRunning,
      maxGroup: maxTogether,
      together: true,
      isAlone: () => false,
      run: async (group) => {
        try {
          const found = await readAll(
            reader,
            group.map(({ operationId }) => operationId),
          );
          for (const { operationId, resolve } of group) resolve(found.get(operationId));
        } catch (error) {
          for (const { reject } of group) reject(error);
        }
      },
    });
  }

  /** The operation as the database shows it now, if it does. */
  get(operationId: string): Promise<OperationRecord | undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<OperationRecord | undefined>();
    this.#queue.add(operationId, { operationId, resolve, reject });
    return promise;
  }
}

/** One by its key alone: the plan of a list is made anew each time, which takes three times as long as to read it. */
async function readAll(
  reader: ReturnType<typeof operationReader>,
  ids: readonly string[],
): Promise<ReadonlyMap<string, OperationRecord>> {
  const [id = ""] = ids;
  const records = ids.length === 1 ? [await reader.get(id)] : await reader.getMany(ids);
  return new Map(
    records.filter((record) => record !== undefined).map((record) => [record.operationId, record]),
  );
}
