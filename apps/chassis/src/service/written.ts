import type { Message } from "@bufbuild/protobuf";

/**
 * What `ctx.write` gives: a reference to the result of a write that has not run yet. A decision may return it as its
 * answer; it cannot look into it. So a handler means the same in every class: the decision first, then all its writes
 * in one transaction.
 */
export class Written<M extends Message = Message> {
  /** Position among the writes of its decision, from 0. */
  readonly index: number;
  /** Type of the result, for the compiler. */
  declare readonly result: M;

  constructor(index: number) {
    this.index = index;
  }
}
