import { isJsonMap } from "../schema/json/json-map.ts";

/**
 * By flag, the shares of its `fractional` targeting, such as `async 25 %, direct 75 %`: of those whom it is about,
 * where rules come before it. Flags without one are not among them.
 *
 * @param text flag definitions that have been found right
 */
export function readShares(text: string): ReadonlyMap<string, string> {
  const document: unknown = JSON.parse(text);
  const flags = isJsonMap(document) ? document["flags"] : undefined;
  const shares = new Map<string, string>();
  for (const [key, flag] of Object.entries(flags ?? {})) {
    const parts = findFractional(isJsonMap(flag) ? flag["targeting"] : undefined, 0);
    if (parts !== undefined) shares.set(key, formatShares(parts));
  }
  return shares;
}

/** Deeper than anybody writes by hand. */
const maxDepth = 64;

function findFractional(node: unknown, depth: number): readonly unknown[] | undefined {
  if (typeof node !== "object" || node === null || depth > maxDepth) return undefined;
  for (const [operator, operand] of Object.entries(node)) {
    if (operator === "fractional" && Array.isArray(operand)) return operand;
    const found = findFractional(operand, depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** `["async", 25]`, or `["async"]` for a weight of 1. The first part may be what is hashed. */
function formatShares(parts: readonly unknown[]): string {
  const weights = parts.flatMap((part) => {
    if (!Array.isArray(part) || typeof part[0] !== "string") return [];
    return [{ variant: part[0], weight: typeof part[1] === "number" ? part[1] : 1 }];
  });
  const sum = weights.reduce((total, { weight }) => total + weight, 0);
  const share = (weight: number) => `${Math.round((weight / (sum || 1)) * 1_000) / 10} %`;
  return weights.map(({ variant, weight }) => `${variant} ${share(weight)}`).join(", ");
}
