/**
 * Maps items with at most two of them under way: each is a process of its own, and the machine has other things to do.
 * After a failure none is begun.
 */
export async function mapTwoAtOnce<T, R>(
  items: readonly T[],
  map: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const results: R[] = [];
  const queue = [...items.entries()];
  const work = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [index, item] = next;
      results[index] = await map(item).catch((error: unknown) => {
        queue.length = 0;
        throw error;
      });
    }
  };
  await Promise.all([work(), work()]);
  return results;
}
