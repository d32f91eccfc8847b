import { create } from "@bufbuild/protobuf";
import { operationReader } from "../command/operations.ts";
import { type Runtime, requireMain } from "../command/runtime.ts";
import {
  type ListOperationsRequest,
  ListOperationsRequestSchema,
  type ListOperationsResponse,
  ListOperationsResponseSchema,
} from "../gen/quartet/v1/operation_pb.ts";
import { toOperation } from "./operation-answer.ts";
import { decodeQuery } from "./rest/decode-query.ts";
import { decodeMessage } from "./rest/decode-request.ts";
import { emptyObject } from "./rest/request-json.ts";

/**
 * A page of a principal's operations that this process' database shows, the newest first.
 *
 * @throws QuartetError `invalid_argument` naming a parameter that is unknown or malformed, or a page token of another query.
 */
export async function listOperations(
  runtime: Runtime,
  principal: string,
  query: URLSearchParams,
): Promise<ListOperationsResponse> {
  const { pageSize, pageToken, ...filter } = readRequest(query);
  const reader = operationReader(requireMain(runtime).pool, runtime.domain.registry);
  const page = await reader.list({
    where: { principal, ...conditionsOf(filter) },
    orderBy: "acceptTime desc",
    pageSize,
    pageToken,
  });
  return create(ListOperationsResponseSchema, {
    operations: page.messages.map((record) => toOperation(record, undefined)),
    nextPageToken: page.nextPageToken,
  });
}

function readRequest(query: URLSearchParams): ListOperationsRequest {
  const json = emptyObject();
  decodeQuery(json, ListOperationsRequestSchema, query, { body: "", variables: new Set() });
  return decodeMessage(ListOperationsRequestSchema, json);
}

function conditionsOf({
  state,
  method,
  acceptedFrom,
  acceptedBefore,
}: Omit<ListOperationsRequest, "pageSize" | "pageToken">) {
  const time = {
    ...(acceptedFrom === undefined ? {} : { gte: acceptedFrom }),
    ...(acceptedBefore === undefined ? {} : { lt: acceptedBefore }),
  };
  return {
    ...(state === 0 ? {} : { state }),
    ...(method === "" ? {} : { method }),
    ...(Object.keys(time).length === 0 ? {} : { acceptTime: time }),
  };
}
