import type { Answer, ShopRequest } from "./shop-client.ts";

/** What became of an order, as its customer was told. `open`: nothing definite yet. */
export type OrderFate =
  | { readonly kind: "open" }
  | { readonly kind: "accepted"; readonly operation: string }
  | { readonly kind: "placed"; readonly orderId: string }
  | { readonly kind: "refused"; readonly status: number };

export interface OrderEntry {
  readonly request: ShopRequest;
  /** Every order has a customer of its own, so that it is found by its customer whatever its id. */
  readonly customer: string;
  readonly sku: string;
  readonly quantity: number;
  /** Path of the operation that a 202 named, also when the order has ended since. */
  operation: string | undefined;
  fate: OrderFate;
}

export interface AdjustmentEntry {
  readonly request: ShopRequest;
  readonly sku: string;
  readonly delta: number;
  fate: "open" | "done" | "refused";
}

export interface CancellationEntry {
  readonly request: ShopRequest;
  readonly orderId: string;
  fate: "open" | "done" | "refused";
}

/** A keyed request and its first definite answer: whoever repeats it must get the same. */
export interface Answered {
  readonly request: ShopRequest;
  readonly answer: Answer;
}

/** How often something was as it must be, and what was not. */
export class Tally {
  ok = 0;
  readonly faults: string[] = [];

  note(fault: string | undefined): void {
    if (fault === undefined) this.ok += 1;
    else this.faults.push(fault);
  }
}

const rememberedRequests = 500;

/** All that the customers and the shopkeeper know at the end of the day. The databases must agree with it. */
export class Ledger {
  readonly orders: OrderEntry[] = [];
  readonly adjustments: AdjustmentEntry[] = [];
  readonly cancellations: CancellationEntry[] = [];
  readonly browsing = new Tally();
  readonly malformed = new Tally();
  /** Same key, same request: same answer. */
  readonly repeats = new Tally();
  /** Same key, other request: refused. */
  readonly reuses = new Tally();
  /** A read at the position of a write sees the write. */
  readonly readBacks = new Tally();
  /** Ids of orders that were placed, oldest first. */
  readonly placed: string[] = [];
  readonly #answered: Answered[] = [];

  /** Keyed requests with a definite answer, the last few hundred of them. */
  get answered(): readonly Answered[] {
    return this.#answered;
  }

  remember(answered: Answered): void {
    this.#answered.push(answered);
    if (this.#answered.length > rememberedRequests) this.#answered.shift();
  }

  endOrder(order: OrderEntry, fate: OrderFate): void {
    if (fate.kind === "placed" && order.fate.kind !== "placed") this.placed.push(fate.orderId);
    order.fate = fate;
  }
}
