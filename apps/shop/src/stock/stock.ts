import { command, QuartetError, query, service, write } from "@quartet/chassis";
import { CommitStockAdjustmentSchema, StockKeeping, StockSchema } from "../gen/shop/v1/stock_pb.ts";

/** Puts items on the shelf, or takes unsold ones from it. */
export const commitStockAdjustment = write(CommitStockAdjustmentSchema, async (tx, { sku, delta }) => {
  const shelf = tx.table(StockSchema);
  await shelf.insertIfAbsent({ sku });
  return shelf.update(sku, (stock) => {
    if (stock.available + delta < 0n) {
      throw new QuartetError("failed_precondition", `Only ${stock.available} of ${sku} are on the shelf.`, {
        field: "delta",
      });
    }
    stock.available += delta;
    stock.received += delta;
  });
});

export const stockKeeping = service(StockKeeping, {
  getStock: query(async (ctx, { sku }) => {
    const stock = await ctx.table(StockSchema).get(sku);
    if (stock === undefined)
      throw new QuartetError("not_found", `There is no stock of ${sku}.`, { field: "sku" });
    return stock;
  }),

  adjustStock: command(async (ctx, { sku, delta }) => {
    if (sku === "") throw new QuartetError("invalid_argument", "Stock needs a sku.", { field: "sku" });
    if (delta === 0n) throw new QuartetError("invalid_argument", "delta is 0.", { field: "delta" });
    return ctx.write(commitStockAdjustment, { sku, delta });
  }),
});
