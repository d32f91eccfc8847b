import { createFileRegistry, type DescMessage, type FileRegistry } from "@bufbuild/protobuf";
import { buildTestFile, testImports } from "../../src/schema/test-file.ts";

const file = buildTestFile("bench/v1/bench", {
  enums: { Status: ["STATUS_UNSPECIFIED", "STATUS_OPEN", "STATUS_CLOSED"] },
  messages: {
    Item: {
      table: { name: "bench.items", key: ["id"], index: [{ field: ["price_cents"] }] },
      fields: {
        id: "string",
        name: "string",
        customer: "string",
        category: "string",
        price_cents: "int64",
        quantity: "int32",
        active: "bool",
        ratio: "double",
        status: "enum Status",
        create_time: ".google.protobuf.Timestamp",
        note: "optional string",
        tags: "repeated string",
      },
    },
  },
  methods: {},
});

/** The messages of the suite. */
export const benchRegistry: FileRegistry = createFileRegistry(file, (name) =>
  testImports.find((known) => known.proto.name === name),
);

const item = benchRegistry.getMessage("bench.v1.Item");
if (item === undefined) throw new Error("the suite's file has no Item");

/** A row of twelve fields, as a business has them. */
export const ItemSchema: DescMessage = item;

/** What goes into a row, the same for both sides. */
export interface ItemValues {
  readonly id: string;
  readonly name: string;
  readonly customer: string;
  readonly category: string;
  readonly priceCents: bigint;
  readonly quantity: number;
  readonly active: boolean;
  readonly ratio: number;
  readonly status: number;
  readonly createTime: Date;
  readonly note: string;
  readonly tags: string[];
}

export const statusNames = ["STATUS_UNSPECIFIED", "STATUS_OPEN", "STATUS_CLOSED"] as const;

/** The values of row `index`: spread over 1,000 customers, 50 categories and a million prices. */
export function itemValues(index: number): ItemValues {
  return {
    id: `item-${index}`,
    name: `A thing of some use, number ${index}`,
    customer: `customer-${index % 1_000}`,
    category: `category-${index % 50}`,
    priceCents: BigInt((index * 7_919) % 1_000_000),
    quantity: index % 100,
    active: index % 3 !== 0,
    ratio: (index % 1_000) / 7,
    status: index % 3,
    createTime: new Date(1_700_000_000_000 + index * 1_000),
    note: "Handle with care",
    tags: ["new", `tag-${index % 20}`],
  };
}
