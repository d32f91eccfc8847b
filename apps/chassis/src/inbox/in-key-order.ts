import { toQuartetError } from "../error/problem.ts";
import { translateDatabaseError } from "../sql/translate-error.ts";
import type { EventOutcome } from "./event-outcome.ts";

/**
 * Works off the events of a push: those of one key one after the other, several keys at once. Behind one that failed, the
 * later ones of its key are not tried.
 *
 * @returns their outcomes, in their order.
 */
export async function settleInKeyOrder<E extends { readonly key: string }>(
  events: readonly E[],
  maxKeys: number,
  work: (event: E) => Promise<void>,
): Promise<readonly EventOutcome[]> {
  const outcomes: EventOutcome[] = events.map(() => "too_early");
  const keys = Map.groupBy(events.entries(), ([, event]) => event.key).values();
  const workOff = async () => {
    // One iterator for all: each takes the next key.
    for (const entries of keys) {
      for (const [index, event] of entries) {
        const outcome = await settle(work, event);
        outcomes[index] = outcome;
        if (outcome !== "done") break;
      }
    }
  };
  await Promise.all(Array.from({ length: maxKeys }, workOff));
  return outcomes;
}

async function settle<E>(work: (event: E) => Promise<void>, event: E): Promise<EventOutcome> {
  try {
    await work(event);
    return "done";
  } catch (error) {
    return toQuartetError(translateDatabaseError(error));
  }
}
