import { isDeepStrictEqual } from "node:util";
import { type Answer, headerOf } from "./shop-client.ts";

/**
 * How the answers to the same request with the same key differ; undefined when they do not. An answer of 202 says
 * where the operation is, and nothing else; it and the operation's end are no contradiction.
 */
export function differenceOf(what: string, first: Answer, second: Answer): string | undefined {
  if (first.status === 202 && second.status === 202) {
    const [before, after] = [headerOf(first, "location"), headerOf(second, "location")];
    return before === after ? undefined : `${what}: was operation ${before}, then ${after}`;
  }
  if (first.status === 202 || second.status === 202) return undefined;
  const same = first.status === second.status && isDeepStrictEqual(first.json, second.json);
  return same ? undefined : `${what}: was ${brief(first)}, then ${brief(second)}`;
}

function brief(answer: Answer): string {
  return `${answer.status} ${JSON.stringify(answer.json)?.slice(0, 200)}`;
}
