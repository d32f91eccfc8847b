import { type DescMessage, getOption, type Message } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { QuartetError } from "../error/quartet-error.ts";
import * as options from "../gen/quartet/v1/options_pb.ts";

const optionsOf = new WeakMap<DescMessage, options.EventOptions>();

/** Parsed once: each event asks for them. */
function eventOptions(message: DescMessage): options.EventOptions {
  const found = optionsOf.get(message) ?? getOption(message, options.event);
  optionsOf.set(message, found);
  return found;
}

/** The outbox' `aggregatetype` of an event's message. */
export function aggregateTypeOf(message: DescMessage): string {
  return eventOptions(message).aggregateType || message.typeName;
}

/** The value that orders this event by `option (quartet.v1.event).key`, or undefined when the option names none. */
export function declaredKeyOf(message: DescMessage, event: Message): string | undefined {
  const name = eventOptions(message).key;
  if (name === "") return undefined;
  const field = message.fields.find((candidate) => candidate.name === name);
  if (field?.fieldKind !== "scalar") {
    throw new QuartetError(
      "invalid_argument",
      `${message.typeName}: event key "${name}" is no scalar field.`,
      {
        fix: "Mend option (quartet.v1.event) of the message.",
      },
    );
  }
  const reflected: ReflectMessage = reflect(message, event);
  return String(reflected.get(field));
}
