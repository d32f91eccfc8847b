import type { DescMessage, Message, MessageShape } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { FieldAt, FieldPath, FieldsOf, ValueMessage } from "./message-fields.ts";

/**
 * What rows must be like: conditions by field, of which all must hold. A condition is a value to be equal to, or
 * operators, of which all must hold.
 *
 * ```ts
 * { customer: "c1", placeTime: { gte: since }, status: { in: [Status.PAID] }, lines: { contains: { sku: "s" } } }
 * ```
 *
 * - Fields have their local names; fields inside messages, which need a path column, are joined by dots.
 * - `ne` also takes rows in which the field is not set; all other comparisons need it to be set.
 * - Times and durations are compared to the microsecond.
 * - `contains` takes rows whose list has such elements, whose map such entries, whose message such values; a message
 *   given in part is compared in that part. An index of kind GIN serves it.
 * - A value that is undefined is refused, not skipped: a condition that vanishes shows rows to whom they are not for.
 *   Leave the field away instead: `{ tenant, ...(customer !== "" && { customer }) }`.
 */
export type Filter<D extends DescMessage> = string extends MessageShape<D>["$typeName"]
  ? Readonly<Record<string, unknown>>
  : FilterOn<FieldsOf<MessageShape<D>>>;

type FilterOn<F> = {
  readonly [P in FieldPath<F>]?: Condition<NonNullable<FieldAt<F, P>>, Presence<FieldAt<F, P>>>;
};

/** Fields that tell "not set" from "zero" can be asked whether they are set. */
type Presence<V> = undefined extends V ? { readonly isSet?: boolean } : unknown;

// Tuples keep unions (boolean, enums, JSON) whole.
type Condition<V, P> = [V] extends [string | bigint | Uint8Array | number | boolean | ValueMessage]
  ? ValueCondition<V, P>
  : { readonly contains?: Part<V> | (V extends readonly (infer E)[] ? Part<E> : never) } & P;

type ValueCondition<V, P> = [V] extends [string]
  ? V | (Ordered<V> & { readonly startsWith?: string } & P)
  : [V] extends [Timestamp]
    ? Timestamp | Date | (Ordered<Timestamp | Date> & P)
    : [V] extends [number]
      ? V | ((number extends V ? Ordered<V> : Equality<V>) & P)
      : [V] extends [boolean]
        ? V | (Equality<V> & P)
        : V | (Ordered<V> & P);

interface Equality<V> {
  readonly eq?: V;
  readonly ne?: V;
  readonly in?: readonly V[];
}

interface Ordered<V> extends Equality<V> {
  readonly lt?: V;
  readonly lte?: V;
  readonly gt?: V;
  readonly gte?: V;
}

/** A value, or a message in part. */
type Part<V> = V extends Message
  ? { readonly [K in keyof V as K extends "$unknown" ? never : K]?: Part<V[K]> }
  : V extends Uint8Array
    ? V
    : V extends readonly (infer E)[]
      ? readonly Part<E>[]
      : V extends object
        ? { readonly [K in keyof V]?: Part<V[K]> }
        : V;
