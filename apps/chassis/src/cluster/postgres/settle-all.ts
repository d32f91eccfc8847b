/**
 * Waits until all have ended, also when one fails: nothing is left running behind the caller's back.
 *
 * @throws the only failure as it is, several as an AggregateError.
 */
export async function settleAll<Value>(promises: readonly Promise<Value>[]): Promise<Value[]> {
  const values: Value[] = [];
  const failures: unknown[] = [];
  for (const result of await Promise.allSettled(promises)) {
    if (result.status === "fulfilled") values.push(result.value);
    else failures.push(result.reason);
  }
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1) throw new AggregateError(failures, failures.map(String).join("\n"));
  return values;
}
