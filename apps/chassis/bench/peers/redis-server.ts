import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/** A Redis of its own; disposing stops it and removes its data. */
export interface RedisServer extends AsyncDisposable {
  readonly port: number;
}

const programs = ["valkey-server", "redis-server"];

/** The program on the PATH, or undefined. */
export function findRedis(): string | undefined {
  return programs.find((program) => spawnSync(program, ["--version"]).status === 0);
}

/** Runs Redis with an append-only file that is flushed every second, as BullMQ's guide for production says. */
export async function openRedis(program: string, port: number): Promise<RedisServer> {
  const folder = await mkdtemp(join(tmpdir(), "quartet-bench-redis-"));
  const settings = ["--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction"];
  const server = spawn(
    program,
    ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, ...settings],
    {
      stdio: "ignore",
    },
  );
  await untilAnswering(port);
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      const ended = once(server, "exit");
      server.kill();
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function untilAnswering(port: number): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const socket = connect(port, "127.0.0.1");
    const answered = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (answered) return;
    await delay(50);
  }
  throw new Error(`Redis does not answer on port ${port}.`);
}
