import { openQuartet } from "./quartet-deployment.ts";
import type { Side } from "./side.ts";

/** One subscriber of ours: one event a request, or requests of up to 100. */
export function createQuartetSide(kind: Side["kind"]): Side {
  return {
    name: kind === "batch" ? "quartet in batches" : "quartet",
    kind,
    slow: false,
    open: (server, { times }) => openQuartet(server, { kind, subscriptions: [{ name: "bench" }], times }),
  };
}
