import { parentPort, workerData } from "node:worker_threads";
import { pino } from "pino";
import { createApp } from "../create-app.ts";
import { openListener } from "../listen.ts";
import { openRuntime } from "../open-runtime.ts";
import { createGuardedDomain } from "../test-guarded-domain.ts";

/** What a server thread is started with. */
export interface ThreadSettings {
  readonly databaseUrl: string;
}

/** A process of the crud class in a thread of its own, so that who measures it does not share its event loop. */
async function serve({ databaseUrl }: ThreadSettings): Promise<void> {
  const { domain } = createGuardedDomain();
  await using stack = new AsyncDisposableStack();
  const runtime = stack.use(
    await openRuntime({
      ...{ domain, databaseUrl, eventsDatabaseUrl: undefined, secret: Buffer.alloc(32) },
      ...{ upstreams: { crud: [], micro: [], nano: [], lambda: [] }, maxConnections: 4 },
      ...{ expected: "crud", allowSurplus: true, log: pino({ level: "silent" }) },
    }),
  );
  const app = createApp(runtime, { pushSecrets: [], isReady: async () => true });
  const listener = stack.use(await openListener(app, 0, "127.0.0.1"));
  const stopped = new Promise((resolve) => parentPort?.once("message", resolve));
  parentPort?.postMessage(listener.port);
  await stopped;
}

if (parentPort !== null) await serve(workerData as ThreadSettings);
