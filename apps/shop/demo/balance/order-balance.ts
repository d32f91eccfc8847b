import type { Ledger, OrderEntry } from "../trade/ledger.ts";
import type { Books, OperationRow, OrderRow } from "./books.ts";
import { type Check, checkEach, checkEqual, checkNone } from "./check.ts";

/** failed_precondition */
const soldOutStatus = 412;

/** Every customer has what they were told they have, and nobody has anything else. */
export function balanceOrders(books: Books, ledger: Ledger): readonly Check[] {
  const byCustomer = Map.groupBy(books.orders, (order) => order.customer);
  const operations = new Map(books.operations.map((operation) => [operation.operationId, operation]));
  const rowsOf = (order: OrderEntry) => byCustomer.get(order.customer) ?? [];
  const orders = (kind: OrderEntry["fate"]["kind"]) =>
    ledger.orders.filter((order) => order.fate.kind === kind);
  const customers = new Set(ledger.orders.map((order) => order.customer));
  const placements = books.operations.filter(({ method }) => method === "shop.v1.Orders/PlaceOrder");
  return [
    checkNone("commands without a definite answer", openCommands(ledger)),
    checkEach("orders acknowledged, there once as asked", orders("placed"), (order) =>
      faultOfPlaced(order, rowsOf(order)),
    ),
    checkEach("orders refused as sold out, not there", orders("refused"), (order) =>
      faultOfRefused(order, rowsOf(order)),
    ),
    checkEach(
      "accepted operations ended, with or without their order",
      ledger.orders.filter((order) => order.operation !== undefined),
      (order) => faultOfAccepted(order, operations, rowsOf(order)),
    ),
    checkNone(
      "orders that nobody placed",
      books.orders.filter((order) => !customers.has(order.customer)).map((order) => order.orderId),
    ),
    checkEqual(
      "orders = committed operations that place orders",
      placements.filter(({ state }) => state === "COMMITTED").length,
      books.orders.length,
    ),
    checkCancellations(books, ledger),
  ];
}

function openCommands(ledger: Ledger): string[] {
  const entries = [
    ...ledger.orders.map(({ request, fate }) => ({ request, fate: fate.kind })),
    ...ledger.adjustments,
    ...ledger.cancellations,
  ];
  return entries
    .filter(({ fate }) => fate === "open" || fate === "accepted")
    .map(({ request, fate }) => `${request.path} ${request.headers?.["idempotency-key"]} is ${fate}`);
}

function faultOfPlaced(order: OrderEntry, rows: readonly OrderRow[]): string | undefined {
  const [row, ...others] = rows;
  const orderId = order.fate.kind === "placed" ? order.fate.orderId : "";
  if (row === undefined) return `${orderId} of ${order.customer} is not there`;
  if (others.length > 0) return `${order.customer} has ${rows.length} orders`;
  const same = row.orderId === orderId && row.sku === order.sku && row.quantity === order.quantity;
  const { sku, quantity } = row;
  return same
    ? undefined
    : `${orderId}: ${order.quantity} × ${order.sku} became ${row.orderId}: ${quantity} × ${sku}`;
}

/** Every article is in the catalog before the day begins: only its stock can be a reason to refuse an order. */
function faultOfRefused(order: OrderEntry, rows: readonly OrderRow[]): string | undefined {
  const status = order.fate.kind === "refused" ? order.fate.status : 0;
  const key = order.request.headers?.["idempotency-key"];
  if (status !== soldOutStatus) return `${key} was refused with ${status}`;
  return rows.length === 0
    ? undefined
    : `${key} was refused with ${status} and is there as ${rows[0]?.orderId}`;
}

function faultOfAccepted(
  order: OrderEntry,
  operations: ReadonlyMap<string, OperationRow>,
  rows: readonly OrderRow[],
): string | undefined {
  const id = order.operation?.split("/").at(-1) ?? "";
  const state = operations.get(id)?.state ?? "missing";
  if (state !== "COMMITTED" && state !== "FAILED") return `operation ${id} is ${state}`;
  const wanted = state === "COMMITTED" ? 1 : 0;
  return rows.length === wanted ? undefined : `operation ${id} is ${state} with ${rows.length} orders`;
}

/** Whoever was told that an order is cancelled has a cancelled one; whoever was told it is too late, a shipped one. */
function checkCancellations(books: Books, ledger: Ledger): Check {
  const statuses = new Map(books.orders.map((order) => [order.orderId, order.status]));
  return checkEach("cancellations as they were answered", ledger.cancellations, ({ orderId, fate }) => {
    const wanted = fate === "done" ? "CANCELLED" : "SHIPPED";
    const status = statuses.get(orderId);
    return status === wanted ? undefined : `${orderId} is ${status}, its cancellation was ${fate}`;
  });
}
