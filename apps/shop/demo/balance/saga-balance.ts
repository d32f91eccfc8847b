import type { Books, EventRow, OrderRow } from "./books.ts";
import { type Check, checkEach, checkEqual } from "./check.ts";

const events = {
  placed: "shop.v1.OrderPlaced",
  paid: "shop.v1.OrderPaid",
  shipped: "shop.v1.OrderShipped",
  cancelled: "shop.v1.OrderCancelled",
} as const;

/** Every order has come to its end, once, and its events tell the same. */
export function balanceSagas(books: Books): readonly Check[] {
  const byOrder = Map.groupBy(books.outbox, (event) => event.key);
  return [
    checkEach("orders confirmed once", books.orders, ({ orderId }) => {
      const times = books.confirmations.get(orderId) ?? 0;
      return times === 1 ? undefined : `${orderId} was confirmed ${times} times`;
    }),
    checkEqual("confirmations = orders", books.orders.length, books.confirmations.size),
    checkEach("orders shipped or cancelled", books.orders, ({ orderId, status }) =>
      status === "SHIPPED" || status === "CANCELLED" ? undefined : `${orderId} is ${status}`,
    ),
    checkEqual(
      "OrderPlaced events = orders",
      books.orders.length,
      books.outbox.filter((event) => event.type === events.placed).length,
    ),
    checkEach("orders whose events tell their status", books.orders, (order) =>
      faultOfEvents(order, byOrder.get(order.orderId) ?? []),
    ),
  ];
}

function faultOfEvents(order: OrderRow, published: readonly EventRow[]): string | undefined {
  const count = (type: string) => published.filter((event) => event.type === type).length;
  const [placed, paid, shipped, cancelled] = Object.values(events).map(count);
  const isCancelled = order.status === "CANCELLED";
  const right =
    placed === 1 &&
    (isCancelled ? paid === 0 || paid === 1 : paid === 1) &&
    shipped === (isCancelled ? 0 : 1) &&
    cancelled === (isCancelled ? 1 : 0);
  return right
    ? undefined
    : `${order.orderId} is ${order.status} with ${placed} placed, ${paid} paid, ${shipped} shipped, ${cancelled} cancelled`;
}
