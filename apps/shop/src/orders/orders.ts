import { command, QuartetError, query, service } from "@quartet/chassis";
import { ProductSchema } from "../gen/shop/v1/catalog_pb.ts";
import { OrderSchema, Orders } from "../gen/shop/v1/orders_pb.ts";
import { Packing } from "../gen/shop/v1/packing_pb.ts";
import { StockSchema } from "../gen/shop/v1/stock_pb.ts";
import { commitCancellation, commitOrder } from "./order-writes.ts";

const maxQuantity = 1_000;
const maxPageSize = 100;
const defaultPageSize = 20;

export const orders = service(Orders, {
  getOrder: query(async (ctx, { orderId }) => {
    const order = await ctx.table(OrderSchema).getStored(orderId);
    if (order === undefined) {
      throw new QuartetError("not_found", `There is no order ${orderId}.`, { field: "order_id" });
    }
    return order;
  }),

  listOrders: query(async (ctx, { customer, pageSize, pageToken }) => {
    if (customer === "") throw new QuartetError("invalid_argument", "Whose orders?", { field: "customer" });
    if (pageSize < 0 || pageSize > maxPageSize) {
      throw new QuartetError("invalid_argument", `page_size is ${pageSize}, not 1 to ${maxPageSize}.`, {
        field: "page_size",
      });
    }
    const page = await ctx.table(OrderSchema).list({
      where: { customer },
      orderBy: ["placeTime desc"],
      pageSize: pageSize || defaultPageSize,
      pageToken,
    });
    return { orders: page.messages, nextPageToken: page.nextPageToken };
  }),

  /** Refuses early what cannot be; the write decides for good, since the replica may be behind. */
  placeOrder: command(async (ctx, { orderId, customer, sku, quantity }) => {
    if (customer === "") throw new QuartetError("invalid_argument", "Who orders?", { field: "customer" });
    if (quantity < 1 || quantity > maxQuantity) {
      throw new QuartetError("invalid_argument", `quantity is ${quantity}, not 1 to ${maxQuantity}.`, {
        field: "quantity",
      });
    }
    const product = await ctx.table(ProductSchema).get(sku);
    if (product === undefined)
      throw new QuartetError("not_found", `There is no product ${sku}.`, { field: "sku" });
    // A peek: the write looks again, and orders of one product need not wait for each other.
    const stock = await ctx.table(StockSchema).peek(sku);
    if (stock === undefined || stock.available < BigInt(quantity)) {
      const left = stock?.available ?? 0n;
      throw new QuartetError("failed_precondition", `Only ${left} of ${sku} are left.`, {
        field: "quantity",
      });
    }
    const item = {
      sku,
      quantity,
      ...(product.dimensions === undefined ? {} : { dimensions: product.dimensions }),
    };
    const parcel = await ctx.call(Packing).pack({ items: [item] });
    return ctx.write(commitOrder, {
      orderId: orderId || ctx.operationId.slice(0, 32),
      customer,
      sku,
      quantity,
      amountCents: product.priceCents * BigInt(quantity),
      box: parcel.box,
    });
  }),

  cancelOrder: command(async (ctx, { orderId, reason }) => {
    if (orderId === "") throw new QuartetError("invalid_argument", "Which order?", { field: "order_id" });
    return ctx.write(commitCancellation, { orderId, reason });
  }),
});
