import type { EventFilter } from "../../gen/quartet/v1/subscription_pb.ts";
import type { SubscriptionFault } from "./subscription-fault.ts";

const deepest = 8;
const mostConditions = 100;
/** CloudEvents 1.0.2, "Attribute Naming Convention". */
const attributeName = /^[a-z0-9]{1,20}$/;

/** What is wrong with a subscription's filters. A name that no event has as an attribute is right, and matches nothing. */
export function checkFilters(filters: readonly EventFilter[]): readonly SubscriptionFault[] {
  const count = countConditions(filters, 1);
  if (count === undefined || count > mostConditions) {
    return [
      {
        field: "filters",
        problem: `have more than ${mostConditions} conditions, or are nested more than ${deepest} deep`,
        fix: "Use fewer, or several subscriptions.",
      },
    ];
  }
  return filters.flatMap((filter, index) => checkFilter(filter, `filters[${index}]`));
}

/** Undefined: nested too deep. */
function countConditions(filters: readonly EventFilter[], depth: number): number | undefined {
  if (filters.length > 0 && depth > deepest) return undefined;
  let count = 0;
  for (const filter of filters) {
    const inner = countConditions(membersOf(filter), depth + 1);
    if (inner === undefined) return undefined;
    count += inner + 1 + conditionsOf(filter).length;
  }
  return count;
}

function checkFilter(filter: EventFilter, path: string): SubscriptionFault[] {
  const conditions = conditionsOf(filter);
  const empty = conditions.length === 0 && membersOf(filter).length === 0;
  return [
    ...(empty ? [{ field: path, problem: "has no condition", fix: "Give it one, or leave it away." }] : []),
    ...conditions.flatMap(([dialect, name, value]) => checkCondition(`${path}.${dialect}`, name, value)),
    ...filter.all.flatMap((member, index) => checkFilter(member, `${path}.all[${index}]`)),
    ...filter.any.flatMap((member, index) => checkFilter(member, `${path}.any[${index}]`)),
    ...(filter.not === undefined ? [] : checkFilter(filter.not, `${path}.not`)),
  ];
}

function checkCondition(path: string, name: string, value: string): SubscriptionFault[] {
  if (!attributeName.test(name)) {
    return [
      {
        field: path,
        problem: `names "${name.slice(0, 40)}", which is no attribute (1 to 20 of a-z and 0-9)`,
        fix: "Filters compare attributes, such as type, source, subject and partitionkey; not data.",
      },
    ];
  }
  if (value !== "") return [];
  return [{ field: path, problem: `compares ${name} with nothing`, fix: "Give it a text." }];
}

function conditionsOf({ exact, prefix, suffix }: EventFilter): [string, string, string][] {
  return Object.entries({ exact, prefix, suffix }).flatMap(([dialect, operands]) =>
    Object.entries(operands).map(([name, value]): [string, string, string] => [dialect, name, value]),
  );
}

function membersOf({ all, any, not }: EventFilter): readonly EventFilter[] {
  return not === undefined ? [...all, ...any] : [...all, ...any, not];
}
