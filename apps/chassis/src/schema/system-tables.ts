import { FlagDocumentSchema } from "../gen/quartet/v1/flags_pb.ts";
import { OperationRecordSchema } from "../gen/quartet/v1/operation_pb.ts";
import { SagaInstanceSchema } from "../gen/quartet/v1/saga_pb.ts";
import { type Table, tableOf } from "./table/table.ts";

/** The platform's own pbtables in a main database: read by every class that has one, written by the crud class. */
export const systemTables: readonly Table[] = [
  tableOf(OperationRecordSchema),
  tableOf(FlagDocumentSchema),
  tableOf(SagaInstanceSchema),
];
