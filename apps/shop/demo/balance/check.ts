/** One line of the balance sheet. */
export interface Check {
  readonly what: string;
  readonly expected: number;
  readonly actual: number;
  readonly balances: boolean;
  /** What does not fit, for people. */
  readonly faults: readonly string[];
}

/** Two numbers that must be the same. */
export function checkEqual(what: string, expected: number, actual: number): Check {
  return { what, expected, actual, balances: expected === actual, faults: [] };
}

/**
 * Every item must be right.
 *
 * @param faultOf what is wrong with an item; undefined when nothing is
 */
export function checkEach<T>(
  what: string,
  items: Iterable<T>,
  faultOf: (item: T) => string | undefined,
): Check {
  const all = [...items];
  const faults = all.flatMap((item) => faultOf(item) ?? []);
  return {
    what,
    expected: all.length,
    actual: all.length - faults.length,
    balances: faults.length === 0,
    faults,
  };
}

/** There must be none. */
export function checkNone(what: string, faults: readonly string[]): Check {
  return { what, expected: 0, actual: faults.length, balances: faults.length === 0, faults };
}
