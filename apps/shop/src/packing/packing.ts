import { compute, QuartetError, service } from "@quartet/chassis";
import { type PackItem, Packing } from "../gen/shop/v1/packing_pb.ts";

/** Inner edges in millimetres, smallest first. */
const boxes = [
  { name: "S", edges: [120, 200, 300] },
  { name: "M", edges: [250, 300, 400] },
  { name: "L", edges: [400, 400, 600] },
  { name: "XL", edges: [600, 600, 800] },
] as const;

const defaultEdges = [50, 80, 120];
const maxItems = 1_000;

/** Finds the smallest box for a parcel: every item must fit by its edges, and all together by volume. */
export const packing = service(Packing, {
  pack: compute(({ items }) => {
    const wrong = items.findIndex((item) => item.quantity < 1 || item.quantity > maxItems);
    if (wrong >= 0) {
      throw new QuartetError("invalid_argument", `A quantity is 1 to ${maxItems}.`, {
        field: `items[${wrong}].quantity`,
      });
    }
    const volume = items.reduce((sum, item) => sum + item.quantity * volumeOf(edgesOf(item)), 0);
    const box = boxes.find(
      ({ edges }) => volume <= volumeOf(edges) && items.every((item) => fits(edgesOf(item), edges)),
    );
    return box === undefined
      ? { box: "PALLET", fill: 0 }
      : { box: box.name, fill: volume / volumeOf(box.edges) };
  }),
});

function edgesOf(item: PackItem): readonly number[] {
  if (item.dimensions === undefined) return defaultEdges;
  const { lengthMm, widthMm, heightMm } = item.dimensions;
  return [lengthMm, widthMm, heightMm].sort((a, b) => a - b);
}

/** Both sorted: an item may be turned, so its edges are compared in order. */
function fits(item: readonly number[], box: readonly number[]): boolean {
  return item.every((edge, index) => edge <= (box[index] ?? 0));
}

function volumeOf(edges: readonly number[]): number {
  return edges.reduce((product, edge) => product * edge, 1);
}
