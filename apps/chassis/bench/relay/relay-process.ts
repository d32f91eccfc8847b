import pino from "pino";
import { serviceClasses } from "../../src/class/service-class.ts";
import { ClassUpstreams } from "../../src/edge/upstream/class-upstreams.ts";
import { boundHeap } from "../../src/relay/bound-heap.ts";
import { runRelay } from "../../src/relay/run-relay.ts";
import { allAddresses } from "../../src/wire/http/address-rules.ts";
import { parseSecret } from "../../src/wire/webhook/webhook-signature.ts";
import { serveChild } from "../harness/child.ts";
import { watchUsage } from "../harness/process-usage.ts";
import { benchDomain, benchSecret } from "./bench-domain.ts";

const upstreams = new ClassUpstreams(
  Object.fromEntries(serviceClasses.map((name) => [name, []])) as never, // all classes, each without a process
);
const stop = new AbortController();
let run: Promise<void> | undefined;

boundHeap();

/** A relay as `quartet relay` runs it, in a process of its own, with the same bounds to its heap. */
serveChild({
  start: async ({ databaseUrl }: { databaseUrl: string }) => {
    const active = Promise.withResolvers<void>();
    run = runRelay(
      {
        domain: benchDomain,
        databaseUrl,
        eventsDatabaseUrl: databaseUrl,
        upstreams,
        addressRules: allAddresses,
        secrets: [parseSecret(benchSecret)],
        logger: pino({ level: "error" }, pino.destination(2)),
        onActive: active.resolve,
      },
      stop.signal,
    );
    await Promise.race([active.promise, run]);
  },
  readUsage: watchUsage(),
  stop: async () => {
    stop.abort();
    await run;
    await upstreams[Symbol.asyncDispose]();
  },
});
