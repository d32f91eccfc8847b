import { createRegistry, type Registry } from "@bufbuild/protobuf";
import {
  file_google_protobuf_any,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
} from "@bufbuild/protobuf/wkt";
import { file_quartet_v1_callback } from "../gen/quartet/v1/callback_pb.ts";
import { file_quartet_v1_flags } from "../gen/quartet/v1/flags_pb.ts";
import { file_quartet_v1_intent } from "../gen/quartet/v1/intent_pb.ts";
import { file_quartet_v1_operation } from "../gen/quartet/v1/operation_pb.ts";
import { file_quartet_v1_problem } from "../gen/quartet/v1/problem_pb.ts";
import { file_quartet_v1_row_change } from "../gen/quartet/v1/row_change_pb.ts";
import { file_quartet_v1_saga } from "../gen/quartet/v1/saga_pb.ts";
import { file_quartet_v1_subscription } from "../gen/quartet/v1/subscription_pb.ts";

/** The platform's own messages and the well-known types. */
export const systemRegistry: Registry = createRegistry(
  file_google_protobuf_any,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
  file_quartet_v1_callback,
  file_quartet_v1_flags,
  file_quartet_v1_intent,
  file_quartet_v1_operation,
  file_quartet_v1_problem,
  file_quartet_v1_row_change,
  file_quartet_v1_saga,
  file_quartet_v1_subscription,
);

/** A domain's registry with the platform's beside it: resolves every `Any` that Quartet stores. */
export function withSystemTypes(domain: Registry): Registry {
  return createRegistry(systemRegistry, domain);
}
