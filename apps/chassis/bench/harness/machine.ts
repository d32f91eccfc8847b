import { availableParallelism, cpus, totalmem } from "node:os";

/** What the figures were measured on. */
export function describeMachine(postgres: string): string {
  const [cpu] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${cpu?.model.trim() ?? "unknown CPU"}, ${availableParallelism()} cores, ${memory} GiB, Node ${process.version}, ${postgres}`;
}
