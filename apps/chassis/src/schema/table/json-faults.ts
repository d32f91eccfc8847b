import type { DescField, DescMessage, DescOneof } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence, FieldDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { reachableMessages } from "../json/reachable.ts";
import { at, type FaultPlace, type ReportFault } from "./schema-fault.ts";

/**
 * Reports what ProtoJSON cannot keep of a message, or of any that it holds at any depth: required fields, message sets,
 * names that two fields share. Groups and delimited fields, closed enums and extensions it can.
 */
export function reportJsonFaults(message: DescMessage, report: ReportFault): void {
  for (const held of reachableMessages(message)) {
    if (held.proto.options?.messageSetWireFormat) {
      report("a message set has no JSON, so no table can hold it", at(held));
    }
    for (const member of held.members) reportInherited(member, report);
    for (const field of held.fields) reportField(field, report);
  }
}

/** Where nobody set such a member, protobuf-es reads what every object of JavaScript inherits: `hasOwnProperty`. */
function reportInherited(member: DescField | DescOneof, report: ReportFault): void {
  const { name, localName, kind } = member;
  if (!(localName in Object.prototype)) return;
  report(
    `${kind} "${name}" is "${localName}" in TypeScript, which every object has already`,
    at(member.kind === "oneof" ? member.parent : member),
  );
}

function reportField(field: DescField, report: ReportFault): void {
  const { jsonName, name, parent } = field;
  if (field.presence === FeatureSet_FieldPresence.LEGACY_REQUIRED) {
    // encodeJson refuses a message without it, so an old row could be read but never written.
    report(`field "${name}" is required, and rows from before it could not be written again`, at(field));
  }
  // Of an empty name the generated code keeps nothing, and would take the default one.
  if (jsonName === "" || jsonName.includes("\0") || jsonName === "__proto__") {
    report(
      `field "${name}" has the JSON name ${JSON.stringify(jsonName)}, which jsonb or JavaScript cannot hold`,
      jsonNameOf(field),
    );
  }
  // Readers take a field by either of its names.
  const names = [name, jsonName];
  const earlier = parent.fields.slice(0, parent.fields.indexOf(field));
  const other = earlier.find((each) => names.includes(each.name) || names.includes(each.jsonName));
  if (other !== undefined) {
    const shared = names.includes(other.jsonName) ? other.jsonName : other.name;
    report(
      `fields "${other.name}" and "${name}" share ${JSON.stringify(shared)} as a name in JSON`,
      jsonNameOf(field),
    );
  }
}

function jsonNameOf(field: DescField): FaultPlace {
  return { desc: field, inside: [FieldDescriptorProtoSchema.field.jsonName.number] };
}
