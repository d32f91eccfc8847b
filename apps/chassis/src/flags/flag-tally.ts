/** How often a method's flag, or its proto, came to a value. */
export interface FlagCount {
  readonly method: string;
  readonly value: string;
  readonly from: "flag" | "proto";
  readonly count: number;
}

/** Counts what the flags of methods come to when they are asked. */
export class FlagTally {
  readonly #methods = new Map<string, Map<string, { readonly value: string; count: number }>>();

  note(method: string, value: string, from: FlagCount["from"]): void {
    const values = this.#methods.get(method) ?? new Map<string, { value: string; count: number }>();
    // A proto has one value only, and none that is called so.
    const key = from === "flag" ? value : "";
    const known = values.get(key);
    if (known !== undefined) known.count += 1;
    else this.#methods.set(method, values.set(key, { value, count: 1 }));
  }

  get counts(): readonly FlagCount[] {
    return [...this.#methods].flatMap(([method, values]) =>
      [...values].map(([key, counted]) => ({ method, from: key === "" ? "proto" : "flag", ...counted })),
    );
  }
}
