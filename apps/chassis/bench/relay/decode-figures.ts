import { atLeast, type Figure, reported } from "../harness/figure.ts";
import { measureDecode } from "./decode-speed.ts";
import type { SuiteParts } from "./suite-parts.ts";

/** How fast the outbox' WAL is decoded, beside a reader that only counts what the server sends. */
export async function measureDecoding({ server, plan, log }: SuiteParts): Promise<readonly Figure[]> {
  const { transactions, rounds } = plan.decoding;
  const speed = await measureDecode({ server, transactions, rounds, log });
  return [
    atLeast(0.95, {
      name: "decoding, to a reader that only counts",
      value: speed.ratio,
      unit: "x",
      note: `${Math.round(speed.ourRowsPerSecond)} rows/s at one row a transaction; the server sends ${Math.round(speed.walsenderRowsPerSecond)}`,
    }),
    reported({ name: "decoding, own CPU", value: speed.ourMicrosPerRow, unit: "µs a row" }),
  ];
}
