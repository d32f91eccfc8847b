import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import { QuartetError } from "../../error/quartet-error.ts";
import { errorCodeOf } from "./error-code-of.ts";
import { localHost } from "./local-server.ts";

/**
 * Below the range that systems hand out for outgoing connections (from 32768 on Linux, 49152 elsewhere): while a
 * server restarts, its port cannot be taken by a client, and a client that retries cannot connect to itself.
 */
const firstPort = 20_000;
const portCount = 12_000;

/**
 * A port nobody listens on at this moment: `remembered` when it still is one, else the first from a start that depends
 * on `seed`, so that checkouts spread out. Another process may still be faster; who binds must be ready to ask again.
 *
 * @throws QuartetError `unavailable` when all are taken.
 */
export async function findFreePort(
  seed: string,
  remembered: number | undefined,
  excluded: ReadonlySet<number>,
): Promise<number> {
  if (remembered !== undefined && !excluded.has(remembered) && (await isFree(remembered))) return remembered;
  const start = createHash("sha256").update(seed).digest().readUInt32BE(0);
  for (let step = 0; step < portCount; step++) {
    const port = firstPort + ((start + step) % portCount);
    if (!excluded.has(port) && (await isFree(port))) return port;
  }
  throw new QuartetError("unavailable", `No free port from ${firstPort} to ${firstPort + portCount - 1}.`);
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer();
  try {
    probe.listen({ host: localHost, port, exclusive: true });
    await once(probe, "listening");
  } catch (thrown) {
    if (errorCodeOf(thrown) === "EADDRINUSE" || errorCodeOf(thrown) === "EACCES") return false;
    throw thrown;
  }
  probe.close();
  await once(probe, "close");
  return true;
}
