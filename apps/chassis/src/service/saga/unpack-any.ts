import type { DescMessage, Message, Registry } from "@bufbuild/protobuf";
import { type Any, anyUnpack } from "@bufbuild/protobuf/wkt";
import { QuartetError } from "../../error/quartet-error.ts";

/**
 * @throws QuartetError `unimplemented` when this build does not know the type, since another one may;
 * `unprocessable_event` when there is nothing, or not what its type says.
 */
export function unpackAny(
  any: Any | undefined,
  registry: Registry,
): { readonly desc: DescMessage; readonly message: Message } {
  const typeName = any?.typeUrl.split("/").at(-1) ?? "";
  const desc = registry.getMessage(typeName);
  if (any !== undefined && typeName !== "" && desc === undefined) {
    throw new QuartetError("unimplemented", `This build does not know ${any.typeUrl}.`);
  }
  const message = any === undefined ? undefined : anyUnpack(any, registry);
  if (desc !== undefined && message !== undefined) return { desc, message };
  throw new QuartetError("unprocessable_event", `An Any of the event is no ${typeName}.`);
}
