import { type Answer, headerOf, type ShopRequest, textAt } from "./shop-client.ts";

/** A request that is wrong, and how it must be answered. */
export interface Malformed {
  readonly what: string;
  readonly request: ShopRequest;
  readonly status: number;
  readonly code: string;
  /** What the problem must name as its place. */
  readonly field?: string;
  /** A method that `Allow` must name. */
  readonly allow?: string;
}

const json = { "content-type": "application/json" };
const order = { customer: "nobody", sku: "tea-01", quantity: 1 };
const tooManyBytes = 1_100_000;

function post(what: string, body: unknown, expected: Omit<Malformed, "what" | "request">): Malformed {
  return withHeaders(what, json, typeof body === "string" ? body : JSON.stringify(body), expected);
}

function withHeaders(
  what: string,
  headers: Readonly<Record<string, string>>,
  body: string,
  expected: Omit<Malformed, "what" | "request">,
): Malformed {
  return { what, request: { method: "POST", path: "/v1/orders", headers, body }, ...expected };
}

function bare(
  what: string,
  method: ShopRequest["method"],
  path: string,
  expected: Omit<Malformed, "what" | "request">,
): Malformed {
  return { what, request: { method, path }, ...expected };
}

/** Requests that clients get wrong. */
export const malformedRequests: readonly Malformed[] = [
  post("cut off JSON", '{"customer": "nob', { status: 400, code: "malformed_body" }),
  post("an array", [order], { status: 400, code: "malformed_body" }),
  post(
    "an unknown field",
    { ...order, colour: "red" },
    { status: 400, code: "invalid_argument", field: "colour" },
  ),
  post(
    "a text for a number",
    { ...order, quantity: "many" },
    { status: 400, code: "invalid_argument", field: "quantity" },
  ),
  post(
    "a quantity of 0",
    { ...order, quantity: 0 },
    { status: 400, code: "invalid_argument", field: "quantity" },
  ),
  post(
    "no customer",
    { sku: "tea-01", quantity: 1 },
    { status: 400, code: "invalid_argument", field: "customer" },
  ),
  withHeaders("async without a key", { ...json, prefer: "respond-async" }, JSON.stringify(order), {
    status: 400,
    code: "key_missing",
    field: "Idempotency-Key",
  }),
  withHeaders("a key of two words", { ...json, "idempotency-key": "two words" }, JSON.stringify(order), {
    status: 400,
    code: "invalid_argument",
    field: "Idempotency-Key",
  }),
  withHeaders("plain text", { "content-type": "text/plain" }, "one tea, please", {
    status: 415,
    code: "unsupported_media_type",
  }),
  post("a body past the limit", `{"customer": "${"x".repeat(tooManyBytes)}"}`, {
    status: 413,
    code: "too_large",
  }),
  bare("an unknown route", "GET", "/v1/nothing-here", { status: 404, code: "no_such_route" }),
  bare("an internal route", "GET", "/_quartet/whoami", { status: 404, code: "no_such_route" }),
  bare("an unknown product", "GET", "/v1/products/no-such-sku", { status: 404, code: "not_found" }),
  bare("an operation never issued", "GET", `/operations/${"0".repeat(40)}`, {
    status: 404,
    code: "not_found",
  }),
  bare("an unknown parameter", "GET", "/v1/products?colour=red", {
    status: 400,
    code: "invalid_argument",
    field: "colour",
  }),
  bare("a page too large", "GET", "/v1/products?page_size=1000", {
    status: 400,
    code: "invalid_argument",
    field: "page_size",
  }),
  bare("a wrong method", "DELETE", "/v1/products/tea-01", {
    status: 405,
    code: "method_not_allowed",
    allow: "GET",
  }),
  bare("another wrong method", "PATCH", "/v1/orders", {
    status: 405,
    code: "method_not_allowed",
    allow: "POST",
  }),
];

/** What is wrong with the answer to a malformed request; undefined when it is right. */
export function faultOfRefusal(malformed: Malformed, answer: Answer): string | undefined {
  const { what, status, code, field, allow } = malformed;
  const found = describe(answer.status, textAt(answer.json, "code"), textAt(answer.json, "field"));
  const wanted = describe(status, code, field ?? textAt(answer.json, "field"));
  if (found !== wanted) return `${what}: answered ${found}, not ${wanted}`;
  const type = headerOf(answer, "content-type");
  if (type !== "application/problem+json") return `${what}: the answer is ${type}`;
  if (allow !== undefined && !headerOf(answer, "allow")?.split(", ").includes(allow)) {
    return `${what}: Allow is ${headerOf(answer, "allow")}`;
  }
  return undefined;
}

function describe(status: number, code: string | undefined, field: string | undefined): string {
  return [status, code, field].filter((part) => part !== undefined).join(" ");
}
