import {
  clone,
  type DescMessage,
  type JsonValue,
  type MessageShape,
  type Registry,
} from "@bufbuild/protobuf";
import { decodeStoredJson, encodeJson } from "../../schema/json/json.ts";
import { mergeChange } from "./merge-change.ts";
import { trackOrigins } from "./origins.ts";

/** A stored row under edit. */
export interface RowDraft<D extends DescMessage> {
  /** The row as this build understands it. Never changed. */
  readonly before: MessageShape<D>;
  /** A copy of it, to be edited in place. */
  readonly draft: MessageShape<D>;
  /**
   * The JSON to store: what was stored, with what was changed in the draft; the very value that was stored when nothing
   * was. What this build does not know of the row stays as it is, see {@link mergeChange}.
   */
  readonly merge: () => JsonValue;
}

/** Makes a draft of a row's stored JSON, as any build may have written it. */
export function draftRow<D extends DescMessage>(desc: D, stored: JsonValue, registry: Registry): RowDraft<D> {
  const before = decodeStoredJson(desc, stored, registry);
  const draft = clone(desc, before);
  const known = encodeJson(desc, before, registry);
  const origins = trackOrigins(desc, draft, stored, known);
  const merge = () => {
    const after = encodeJson(desc, draft, registry);
    return mergeChange(desc, { stored, before: known, after }, draft, { registry, origins });
  };
  return { before, draft, merge };
}
