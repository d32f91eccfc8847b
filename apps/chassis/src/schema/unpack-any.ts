import type { DescMessage, Message, Registry } from "@bufbuild/protobuf";
import { type Any, anyUnpack } from "@bufbuild/protobuf/wkt";
import { QuartetError } from "../error/quartet-error.ts";

/** What an `Any` holds, and which message it is. */
interface UnpackedAny {
  readonly desc: DescMessage;
  readonly message: Message;
}

/**
 * Unpacks an `Any` of an event.
 *
 * @throws QuartetError `unimplemented` when this build does not know the type, since another one may;
 * `unprocessable_event` when there is nothing, or not what its type says.
 */
export function unpackAny(any: Any | undefined, registry: Registry): UnpackedAny {
  if (any === undefined || any.typeUrl === "") {
    throw new QuartetError("unprocessable_event", "An Any of the event is empty.");
  }
  const desc = registry.getMessage(any.typeUrl.split("/").at(-1) ?? "");
  if (desc === undefined) {
    throw new QuartetError("unimplemented", `This build does not know ${any.typeUrl}.`);
  }
  const message = anyUnpack(any, registry);
  if (message !== undefined) return { desc, message };
  throw new QuartetError("unprocessable_event", `An Any of the event is no ${any.typeUrl}.`);
}
