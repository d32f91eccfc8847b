import { createHash } from "node:crypto";

/** A statement with its name; without one when there are names enough. */
export type MaybeNamed = { readonly text: string } | { readonly name: string; readonly text: string };

/**
 * Names for statements whose texts come up at run time. Servers keep named statements per connection for as long as it
 * lasts, so only the first so many texts get a name.
 */
export class StatementNames {
  readonly #max: number;
  readonly #named = new Map<string, { readonly name: string; readonly text: string }>();

  constructor(max: number) {
    this.#max = max;
  }

  name(text: string): MaybeNamed {
    const known = this.#named.get(text);
    if (known !== undefined) return known;
    if (this.#named.size >= this.#max) return { text };
    const named = { name: nameOf(text), text };
    this.#named.set(text, named);
    return named;
  }
}

/** A name that is as good as the text: equal for equal texts alone, and no longer than Postgres keeps. */
export function nameOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 40);
}
