import { RowChangeSchema } from "../../gen/quartet/v1/row_change_pb.ts";
import { changedMessageOf } from "../../schema/row-change.ts";
import { checkStored } from "./check-stored.ts";
import { parseExactJson } from "./exact-json.ts";
import type { KnownTypes } from "./known-types.ts";
import type { Remark } from "./remark.ts";

/**
 * What a build would not read of an event, or read differently.
 *
 * @param text the event's data as JSON text
 */
export function checkEvent(typeName: string, text: string, types: KnownTypes): readonly Remark[] {
  const changed = changedMessageOf(typeName);
  const isChange = changed !== undefined && types.get(changed) !== undefined;
  const desc = isChange ? RowChangeSchema : types.get(typeName);
  if (desc === undefined) return [{ ...types.remarkOnUnknown(typeName), path: "" }];
  try {
    return checkStored(desc, parseExactJson(text), types).remarks;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return [{ kind: "unparsable", path: "", detail: "is no JSON" }];
  }
}
