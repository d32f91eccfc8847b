import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/** A process of a suite, which does what it is asked. Disposing ends it. */
export interface BenchChild extends AsyncDisposable {
  /** Asks for something and gives the answer; rejects when it fails there, when the process ends, and after a minute. */
  ask<Answer>(what: string, value?: unknown): Promise<Answer>;
}

interface Question {
  readonly id: number;
  readonly what: string;
  readonly value: unknown;
}

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly fault?: string;
}

/** What is published is JavaScript: a process that strips types first has 25 MiB more. A second start needs not. */
const compileCache = { NODE_COMPILE_CACHE: join(tmpdir(), "quartet-bench-compile-cache") };
const endLimitMs = 5_000;
const answerLimitMs = 60_000;

/** Starts a process that runs {@link serveChild}. Its output is this one's error output. */
export async function openChild(entry: string): Promise<BenchChild> {
  const child = fork(entry, { stdio: ["ignore", 2, 2, "ipc"], env: { ...process.env, ...compileCache } });
  const asked = new Map<number, PromiseWithResolvers<unknown>>();
  child.on("message", (message) => settle(asked, message as Answer));
  child.on("exit", (code) => {
    for (const question of asked.values()) question.reject(new Error(`${entry} ended with ${code}`));
    asked.clear();
  });
  let count = 0;
  return {
    ask: <Value>(what: string, value?: unknown) => {
      const question = Promise.withResolvers<unknown>();
      const late = new Error(`${entry} did not answer "${what}" within ${answerLimitMs} ms`);
      const limit = setTimeout(() => question.reject(late), answerLimitMs);
      const settled = () => clearTimeout(limit);
      question.promise.then(settled, settled);
      const id = ++count;
      asked.set(id, question);
      child.send({ id, what, value } satisfies Question, (error) => error && question.reject(error));
      return question.promise as Promise<Value>;
    },
    [Symbol.asyncDispose]: () => end(child),
  };
}

function settle(asked: Map<number, PromiseWithResolvers<unknown>>, { id, value, fault }: Answer): void {
  const question = asked.get(id);
  asked.delete(id);
  if (fault === undefined) question?.resolve(value);
  else question?.reject(new Error(fault));
}

/** It ends by itself when its channel is closed. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  if (child.connected) child.disconnect();
  const inTime = await Promise.race([ended.then(() => true), delay(endLimitMs, false, { ref: false })]);
  if (inTime) return;
  child.kill("SIGKILL");
  await ended;
}

/** Answers the questions of {@link openChild} until its channel is closed. */
export function serveChild(answers: Readonly<Record<string, (value: never) => unknown>>): void {
  process.on("message", async ({ id, what, value }: Question) => {
    try {
      const answer = answers[what];
      if (answer === undefined) throw new Error(`nobody answers "${what}"`);
      process.send?.({ id, value: await answer(value as never) } satisfies Answer);
    } catch (error) {
      const fault = error instanceof Error ? (error.stack ?? error.message) : String(error);
      process.send?.({ id, fault } satisfies Answer);
    }
  });
  process.on("disconnect", () => process.exit(0));
}
