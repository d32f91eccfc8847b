import type { DescEnum, DescExtension, DescMessage, DescService, FileRegistry } from "@bufbuild/protobuf";
import { locateDescriptor } from "../schema/locate-descriptor.ts";
import { fixOf } from "./fix-texts.ts";
import { compareColumns } from "./rules/column-rules.ts";
import { compareEnumNames } from "./rules/enum-rules.ts";
import { compareEvents } from "./rules/event-rules.ts";
import { compareHttpBindings } from "./rules/http-rules.ts";
import { compareIndexes } from "./rules/index-rules.ts";
import { compareMethodKinds } from "./rules/method-rules.ts";
import { compareOneofs } from "./rules/oneof-rules.ts";
import type { RuleBreak } from "./rules/rule-break.ts";
import { compareTables } from "./rules/table-rules.ts";
import type { SchemaFinding } from "./schema-finding.ts";

/**
 * What breaks in the next schema that buf cannot see: options above all.
 *
 * @param isCompared takes names of files as imports do
 */
export function compareOptions(
  next: FileRegistry,
  previous: FileRegistry,
  isCompared: (file: string) => boolean,
): readonly SchemaFinding[] {
  const findings: SchemaFinding[] = [];
  for (const type of previous) {
    const file = type.file.proto.name;
    if (!isCompared(file)) continue;
    for (const broken of compareType(type, next)) findings.push(findingOf(broken, file));
  }
  return findings;
}

function compareType(
  before: DescMessage | DescEnum | DescService | DescExtension,
  next: FileRegistry,
): readonly RuleBreak[] {
  switch (before.kind) {
    case "message":
      return compareMessages(before, next.getMessage(before.typeName));
    case "enum": {
      const same = next.getEnum(before.typeName);
      return same === undefined ? [] : compareEnumNames(before, same);
    }
    case "service":
      return compareServices(before, next.getService(before.typeName));
    default:
      return [];
  }
}

function compareMessages(before: DescMessage, next: DescMessage | undefined): readonly RuleBreak[] {
  const tables = compareTables(before, next);
  if (next === undefined) return tables;
  const rest = [compareColumns, compareIndexes, compareEvents, compareOneofs].flatMap((compare) =>
    compare(before, next),
  );
  return [...tables, ...rest];
}

function compareServices(before: DescService, next: DescService | undefined): readonly RuleBreak[] {
  return before.methods.flatMap((method) => {
    const same = next?.methods.find(({ name }) => name === method.name);
    return same === undefined
      ? []
      : [...compareMethodKinds(method, same), ...compareHttpBindings(method, same)];
  });
}

function findingOf({ rule, message, desc, inside = [] }: RuleBreak, previousFile: string): SchemaFinding {
  const fix = fixOf(rule);
  if (desc === undefined) return { file: previousFile, rule, message, fix };
  const { file, position } = locateDescriptor(desc, inside);
  return { file, ...position, rule, message, fix };
}
