import type { Message } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type Generated, Kysely, PostgresDialect } from "kysely";
import type { Pool } from "pg";
import { make } from "../../src/schema/test-schema.ts";
import { ItemSchema, type ItemValues, statusNames } from "./item.ts";

interface HandMadeItem {
  id: string;
  name: string;
  customer: string;
  category: string;
  price_cents: bigint;
  quantity: number;
  active: boolean;
  ratio: number;
  status: string;
  create_time: Date;
  note: string | null;
  tags: string[];
  version: Generated<bigint>;
}

/** The database as one would write it down for Kysely by hand. */
export interface HandMadeDatabase {
  "bench.hand_made": HandMadeItem;
}

/** The same fields as the pbtable, as a relational table, with the same index. */
export const handMadeSql = [
  `create table bench.hand_made (
  id text not null primary key, name text not null, customer text not null, category text not null,
  price_cents bigint not null, quantity integer not null, active boolean not null, ratio double precision not null,
  status text not null, create_time timestamptz not null, note text, tags text[] not null,
  version bigint not null default 1
)`,
  "create index hand_made_price_cents_idx on bench.hand_made (price_cents)",
];

export function createHandMade(pool: Pool): Kysely<HandMadeDatabase> {
  return new Kysely<HandMadeDatabase>({ dialect: new PostgresDialect({ pool }) });
}

export function handMadeRow(values: ItemValues): Omit<HandMadeItem, "version"> {
  return {
    id: values.id,
    name: values.name,
    customer: values.customer,
    category: values.category,
    price_cents: values.priceCents,
    quantity: values.quantity,
    active: values.active,
    ratio: values.ratio,
    status: statusNames[values.status] ?? statusNames[0],
    create_time: values.createTime,
    note: values.note,
    tags: values.tags,
  };
}

/** The message of a row, as a service with a relational table makes its answers. */
export function handMadeMessage(row: Omit<HandMadeItem, "version">): Message {
  return make(ItemSchema, {
    id: row.id,
    name: row.name,
    customer: row.customer,
    category: row.category,
    priceCents: row.price_cents,
    quantity: row.quantity,
    active: row.active,
    ratio: row.ratio,
    status: statusNames.indexOf(row.status as (typeof statusNames)[number]),
    createTime: timestampFromDate(row.create_time),
    ...(row.note === null ? {} : { note: row.note }),
    tags: row.tags,
  });
}

/** The JSON answer of a row, straight from its columns. */
export function handMadeJson(row: Omit<HandMadeItem, "version">): string {
  const { id, name, customer, category, price_cents, quantity, active, ratio, status, create_time, tags } =
    row;
  return JSON.stringify({
    ...{ id, name, customer, category, priceCents: price_cents.toString(), quantity, active, ratio, status },
    createTime: create_time.toISOString(),
    ...(row.note === null ? {} : { note: row.note }),
    tags,
  });
}
