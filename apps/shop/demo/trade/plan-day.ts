import type { Random } from "../random.ts";
import { type Article, categories } from "./assortment.ts";
import { type Malformed, malformedRequests } from "./malformed.ts";

/** How often a keyed request is sent: `together` is twice at once. */
export type Repeat = "once" | "together";

/**
 * One thing somebody does. What depends on how the day goes (which order to cancel) is a draw in [0, 1) over the
 * candidates there are when it happens.
 */
export type Action =
  | { readonly kind: "browse"; readonly path: string }
  | { readonly kind: "look up"; readonly draw: number }
  | PlannedOrder
  | PlannedTopUp
  | { readonly kind: "cancel"; readonly draw: number }
  | { readonly kind: "repeat"; readonly draw: number }
  | { readonly kind: "reuse key"; readonly draw: number }
  | { readonly kind: "follow"; readonly draw: number }
  | { readonly kind: "malformed"; readonly malformed: Malformed };

export interface PlannedOrder {
  readonly kind: "order";
  readonly sku: string;
  readonly quantity: number;
  /** `Prefer: respond-async`. */
  readonly async: boolean;
  /** The customer chooses the id, instead of having it made. */
  readonly choosesId: boolean;
  readonly repeat: Repeat;
  /** Reads it at once, at the position of the answer. */
  readonly readsBack: boolean;
  /** Thinks better of it at once. */
  readonly cancels: boolean;
}

export interface PlannedTopUp {
  readonly kind: "top up";
  readonly sku: string;
  readonly delta: number;
  readonly repeat: Repeat;
  readonly readsBack: boolean;
}

/** Shares of the day's actions, in percent. */
const shares = [
  ["browse", 44],
  ["look up", 11],
  ["order", 25],
  ["malformed", 8],
  ["top up", 3],
  ["cancel", 2],
  ["repeat", 3],
  ["reuse key", 1],
  ["follow", 3],
] as const;

/** An endless day. All is drawn from `random`, in the order of the actions. */
export function* planDay(random: Random, assortment: readonly Article[]): Generator<Action, never> {
  const kinds = shares.flatMap(([kind, share]) => Array.from({ length: share }, () => kind));
  for (;;) {
    const kind = random.pick(kinds);
    if (kind === "browse") yield { kind, path: drawPage(random, assortment) };
    else if (kind === "order") yield drawOrder(random, assortment);
    else if (kind === "top up") yield drawTopUp(random, assortment);
    else if (kind === "malformed") yield { kind, malformed: random.pick(malformedRequests) };
    else yield { kind, draw: random.next() };
  }
}

function drawPage(random: Random, assortment: readonly Article[]): string {
  const page = random.next();
  if (page < 0.4) return "/v1/landing";
  if (page < 0.6) return `/v1/products?category=${random.pick(categories)}`;
  const { sku } = drawArticle(random, assortment, 0.5);
  return page < 0.85 ? `/v1/products/${sku}` : `/v1/stock/${sku}`;
}

function drawOrder(random: Random, assortment: readonly Article[]): PlannedOrder {
  return {
    kind: "order",
    sku: drawArticle(random, assortment, 0.8).sku,
    quantity: random.chance(0.1) ? random.integer(5, 12) : random.integer(1, 4),
    async: random.chance(1 / 3),
    choosesId: random.chance(0.5),
    repeat: random.chance(0.1) ? "together" : "once",
    readsBack: random.chance(0.3),
    cancels: random.chance(0.08),
  };
}

function drawTopUp(random: Random, assortment: readonly Article[]): PlannedTopUp {
  return {
    kind: "top up",
    sku: drawArticle(random, assortment, 0.5).sku,
    delta: random.integer(1, 25),
    repeat: random.chance(0.2) ? "together" : "once",
    readsBack: random.chance(0.5),
  };
}

function drawArticle(random: Random, assortment: readonly Article[], hotShare: number): Article {
  const hot = random.chance(hotShare);
  return random.pick(assortment.filter((article) => article.hot === hot));
}
