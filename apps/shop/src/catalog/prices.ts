import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { onChange, QuartetError, write } from "@quartet/chassis";
import { CommitPriceSchema, PriceSchema, ProductSchema } from "../gen/shop/v1/catalog_pb.ts";

/** Notes what a product costs, once per version of the product. */
export const commitPrice = write(CommitPriceSchema, async (tx, { price }) => {
  if (price === undefined) throw new QuartetError("invalid_argument", "There is no price to note.");
  return tx.table(PriceSchema).upsert(price);
});

/** Every change of a product's price, whoever made it: a command, the relational view, psql. */
export const notePrice = onChange(ProductSchema, "note_price", async (ctx, { before, after, version }) => {
  if (after === undefined || before?.priceCents === after.priceCents) return;
  ctx.write(commitPrice, {
    price: {
      sku: after.sku,
      productVersion: version,
      priceCents: after.priceCents,
      since: timestampFromDate(ctx.event.time),
    },
  });
});
