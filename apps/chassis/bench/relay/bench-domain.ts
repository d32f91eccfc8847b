import { createRegistry } from "@bufbuild/protobuf";
import { type Domain, defineDomain } from "../../src/service/domain.ts";

/** A domain without tables and methods: what it publishes is what the suite measures. */
export const benchDomain: Domain = defineDomain({
  name: "bench",
  schema: createRegistry(),
  services: [],
  writes: [],
});

/** Type of all events of the suite. */
export const benchEventType = "bench.v1.OrderPlaced";

/** The deployment's secret: the relay signs with it and the consumer verifies. */
export const benchSecret = `whsec_${Buffer.alloc(32, "quartet bench").toString("base64")}`;
