import pino from "pino";
import { createApp } from "../../src/edge/create-app.ts";
import { openListener } from "../../src/edge/listen.ts";
import { openRuntime } from "../../src/edge/open-runtime.ts";
import type { ClassUrls } from "../../src/edge/upstream/class-upstreams.ts";
import { parseSecret } from "../../src/wire/webhook/webhook-signature.ts";
import { serveChild } from "../harness/child.ts";
import { watchUsage } from "../harness/process-usage.ts";
import { benchSecret } from "../relay/bench-domain.ts";
import { noteDomain } from "./note-domain.ts";

export interface ClassSettings {
  readonly databaseUrl: string;
  readonly eventsDatabaseUrl: string | undefined;
  readonly upstreams: ClassUrls;
  readonly maxConnections: number;
}

/** A laptop that does all at once is no server: the classes' budgets would hit what is not slow. */
const statementTimeoutMs = 5_000;

const stack = new AsyncDisposableStack();

/** A class as `quartet start` serves it, in a process of its own. */
serveChild({
  start: async (settings: ClassSettings) => {
    const secret = parseSecret(benchSecret);
    const runtime = stack.use(
      await openRuntime({
        ...settings,
        domain: noteDomain,
        secret: Buffer.alloc(32),
        statementTimeoutMs,
        allowSurplus: false,
        expected: undefined,
        log: pino({ level: "warn" }, pino.destination(2)),
      }),
    );
    const app = createApp(runtime, { pushSecrets: [secret], isReady: async () => true });
    const listener = stack.use(await openListener(app, 0, "127.0.0.1"));
    return listener.port;
  },
  readUsage: watchUsage(),
  stop: () => stack.disposeAsync(),
});
