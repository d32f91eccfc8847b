import { setTimeout as delay } from "node:timers/promises";
import { countCommitted, countNotes } from "./command-contests.ts";
import type { CommandsDeployment } from "./commands-deployment.ts";

/** With no progress for so long nothing comes any more. */
const stallMs = 30_000;

/**
 * Waits until what was accepted has been carried out, and checks that each command had its effect once: a note added
 * twice is refused, and its operation failed.
 *
 * @returns how long it took, in ms
 * @throws Error when it does not come to an end, or something failed.
 */
export async function awaitCarriedOut(
  { main }: CommandsDeployment,
  expected: { readonly notes: number; readonly operations: number },
): Promise<number> {
  const start = performance.now();
  let [seen, seenAt] = [-1, start];
  for (;;) {
    const [notes, operations] = await Promise.all([countNotes(main), countCommitted(main)]);
    if (notes === expected.notes && operations === expected.operations) return performance.now() - start;
    if (notes > expected.notes) throw new Error(`${notes} notes of ${expected.notes} commands`);
    if (notes + operations !== seen) [seen, seenAt] = [notes + operations, performance.now()];
    else if (performance.now() - seenAt > stallMs) {
      throw new Error(
        `${notes} of ${expected.notes} notes and ${operations} of ${expected.operations} operations are there`,
      );
    }
    await delay(100);
  }
}
