import pino from "pino";
import { ClassUpstreams, type ClassUrls } from "../../src/edge/upstream/class-upstreams.ts";
import { boundHeap } from "../../src/relay/bound-heap.ts";
import { runRelay } from "../../src/relay/run-relay.ts";
import type { Domain } from "../../src/service/domain.ts";
import { allAddresses } from "../../src/wire/http/address-rules.ts";
import { parseSecret } from "../../src/wire/webhook/webhook-signature.ts";
import { serveChild } from "./child.ts";
import { watchUsage } from "./process-usage.ts";

export interface RelaySettings {
  readonly databaseUrl: string;
  readonly eventsDatabaseUrl: string;
  /** Processes that events of the platform's own are pushed to. */
  readonly upstreams: ClassUrls;
}

/** Serves a relay as `quartet relay` runs it, with the same bounds to its heap. It signs with `secret`. */
export function serveRelay(domain: Domain, secret: string): void {
  const stop = new AbortController();
  const stack = new AsyncDisposableStack();
  boundHeap();
  serveChild({
    start: async ({ databaseUrl, eventsDatabaseUrl, upstreams: urls }: RelaySettings) => {
      const active = Promise.withResolvers<void>();
      const upstreams = stack.use(new ClassUpstreams(urls));
      const run = runRelay(
        {
          domain,
          databaseUrl,
          eventsDatabaseUrl,
          upstreams,
          addressRules: allAddresses,
          secrets: [parseSecret(secret)],
          logger: pino({ level: "error" }, pino.destination(2)),
          onActive: active.resolve,
        },
        stop.signal,
      );
      stack.defer(() => run);
      await Promise.race([active.promise, run]);
    },
    readUsage: watchUsage(),
    stop: async () => {
      stop.abort();
      await stack.disposeAsync();
    },
  });
}
