import type { Random } from "../random.ts";

/** What the shop sells of one kind. */
export interface Article {
  readonly sku: string;
  readonly name: string;
  readonly category: string;
  readonly priceCents: number;
  /** On the shelf in the morning. */
  readonly initialStock: number;
  /** One that everybody wants. */
  readonly hot: boolean;
}

export const categories = ["tea", "coffee", "cocoa", "spice"] as const;

const articleCount = 40;
const hotCount = 3;

/**
 * The shop's assortment. Of the three hot articles one never runs out, one is dear, so that payments are declined, and
 * one is short; of the others some are there in small numbers, so that they sell out.
 */
export function createAssortment(random: Random, requests: number): readonly Article[] {
  const hotStock = [requests * 5, Math.ceil(requests / 20), Math.ceil(requests / 60)];
  return Array.from({ length: articleCount }, (_, index) => {
    const category = categories[index % categories.length] ?? categories[0];
    const hot = index < hotCount;
    return {
      sku: `${category}-${String(index + 1).padStart(2, "0")}`,
      name: `Number ${index + 1} of our ${category}`,
      category,
      priceCents: index === 1 ? 27_500 : random.integer(150, 4_000),
      initialStock:
        hotStock[index] ?? (random.chance(0.3) ? random.integer(1, 20) : random.integer(50, 2_000)),
      hot,
    };
  });
}
