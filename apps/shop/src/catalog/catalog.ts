import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { command, QuartetError, query, service, write } from "@quartet/chassis";
import { Catalog, PriceSchema, ProductSchema, StoreProductSchema } from "../gen/shop/v1/catalog_pb.ts";

/** Stores a product: new, or what changed of it. One that the client expects at a version must be there at that one. */
export const storeProduct = write(StoreProductSchema, async (tx, { product }) => {
  if (product === undefined) throw new QuartetError("invalid_argument", "There is no product to store.");
  const products = tx.table(ProductSchema);
  const stored = { ...product, updateTime: timestampFromDate(tx.acceptTime) };
  const version = tx.expectedVersion;
  if (version === undefined) return products.upsert(stored);
  return products.update(product.sku, (draft) => void Object.assign(draft, stored), { version });
});

const defaultPageSize = 20;
const maxPageSize = 100;
const landingPageSize = 12;

export const catalog = service(Catalog, {
  getProduct: query(async (ctx, { sku }) => {
    const product = await ctx.table(ProductSchema).getStored(sku);
    if (product === undefined)
      throw new QuartetError("not_found", `There is no product ${sku}.`, { field: "sku" });
    return product;
  }),

  listProducts: query(async (ctx, { category, pageSize, afterSku, tag }) => {
    if (pageSize < 0 || pageSize > maxPageSize) {
      throw new QuartetError("invalid_argument", `page_size is ${pageSize}, not 1 to ${maxPageSize}.`, {
        field: "page_size",
      });
    }
    const page = await ctx.table(ProductSchema).list({
      where: {
        sku: { gt: afterSku },
        ...(category !== "" && { category }),
        ...(tag !== "" && { tags: { contains: [tag] } }),
      },
      orderBy: ["sku"],
      pageSize: pageSize || defaultPageSize,
    });
    return { products: page.messages };
  }),

  listPrices: query(async (ctx, { sku }) => {
    const { messages } = await ctx
      .table(PriceSchema)
      .list({ where: { sku }, orderBy: ["productVersion desc"] });
    return { prices: messages };
  }),

  getLandingPage: query(async (ctx) => {
    const rows = await ctx.db
      .selectFrom("shop.products as product")
      .leftJoin("shop.stock as stock", "stock.sku", "product.sku")
      .select(["product.pb", "product.sku", "stock.available"])
      .orderBy("product.sku")
      .limit(landingPageSize)
      .execute();
    return {
      products: rows.map((row) => ctx.table(ProductSchema).decode(row.pb)),
      inStock: rows.filter((row) => (row.available ?? 0n) > 0n).map((row) => row.sku),
    };
  }),

  putProduct: command(async (ctx, product) => {
    const { sku, name, category, priceCents, dimensions, tags } = product;
    if (sku === "") throw new QuartetError("invalid_argument", "A product needs a sku.", { field: "sku" });
    if (priceCents < 0n) {
      throw new QuartetError("invalid_argument", "A price is not negative.", { field: "price_cents" });
    }
    return ctx.write(storeProduct, {
      product: { sku, name, category, priceCents, tags, ...(dimensions === undefined ? {} : { dimensions }) },
    });
  }),
});
