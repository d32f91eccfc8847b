import type { Message } from "@bufbuild/protobuf";
import type { Duration, FieldMask, Timestamp } from "@bufbuild/protobuf/wkt";

/** The fields of a message by local name: members of a oneof stand beside the others, each optional. */
export type FieldsOf<M> = PlainFields<M> & MemberFields<M>;

type PlainFields<M> = {
  [K in keyof M as K extends `$${string}` ? never : M[K] extends OneofValue ? never : K]: M[K];
};

type MemberFields<M> = {
  [E in OneofsOf<M> as E["case"]]?: E["value"];
};

interface OneofValue {
  readonly $typeName?: never;
  readonly case: string | undefined;
  readonly value?: unknown;
}

type OneofsOf<M> = Extract<
  M[keyof M],
  { readonly case: string; readonly value: unknown; readonly $typeName?: never }
>;

/** Messages that are a value in a column of their own. */
export type ValueMessage = Timestamp | Duration | FieldMask;

/**
 * Names of fields, and of fields inside singular messages joined by dots, three deep. Those inside have a column where
 * `option (quartet.v1.column) = { path: … }` asks for one.
 */
export type FieldPath<F, Depth extends readonly 0[] = []> = Depth["length"] extends 3
  ? never
  : {
      [K in keyof F & string]: K | NestedPath<K, NonNullable<F[K]>, Depth>;
    }[keyof F & string];

type NestedPath<K extends string, V, Depth extends readonly 0[]> = V extends ValueMessage
  ? never
  : V extends Message
    ? `${K}.${FieldPath<FieldsOf<V>, [...Depth, 0]>}`
    : never;

/** The type of the field at a path; possibly undefined when a message on the way may be unset. */
export type FieldAt<F, P extends string> = P extends keyof F
  ? F[P]
  : P extends `${infer Head}.${infer Rest}`
    ? Head extends keyof F
      ? FieldAt<FieldsOf<NonNullable<F[Head]>>, Rest> | undefined
      : never
    : never;
