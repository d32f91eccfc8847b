import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { QuartetError } from "../error/quartet-error.ts";
import type { PlannedProcess } from "./process-plan.ts";

/** What a running process said of itself. */
export interface ProcessStatus {
  readonly name: string;
  readonly class: string;
  readonly url: string | undefined;
  readonly pid: number;
  readonly database: string;
  readonly reasons: readonly string[];
}

export interface SuperviseSettings {
  /** Script of the quartet command, and the folder of the domain. */
  readonly script: string;
  readonly projectRoot: string;
  /** Variables that every process gets beside its own. */
  readonly inherited: Readonly<Record<string, string>>;
  readonly log: (name: string, line: string) => void;
  /** Called whenever the process becomes ready, again and again over restarts. */
  readonly onReady: (status: ProcessStatus) => void;
}

const firstPauseMs = 50;
const longestPauseMs = 2_000;
const stopPatienceMs = 10_000;

/** Exit code of a quartet command that cannot work before somebody mends its environment, its login or its code. */
export const unmendedExitCode = 2;

/**
 * Keeps a process running: one that ends unasked is started again, with a pause that grows while it does not become
 * ready. States: starting → ready → (ended) pausing → starting; stopped by dispose only. One that says it cannot work
 * as things are is started again all the same, since things change, but whoever waits for it is told.
 */
export class SupervisedProcess implements AsyncDisposable {
  readonly plan: PlannedProcess;
  readonly #settings: SuperviseSettings;
  readonly #running: Promise<void>;
  readonly #stop = new AbortController();
  #child: ChildProcess | undefined;
  #status: ProcessStatus | undefined;
  #ready = Promise.withResolvers<ProcessStatus>();
  #restartAsked = false;
  #pause = new AbortController();
  #lastLines: string[] = [];

  constructor(plan: PlannedProcess, settings: SuperviseSettings) {
    this.plan = plan;
    this.#settings = settings;
    this.#ready.promise.catch(() => undefined);
    this.#running = this.#run();
  }

  /** What it said when it last became ready; undefined while it is not. */
  get status(): ProcessStatus | undefined {
    return this.#status;
  }

  /** The last lines it printed, for the error when it does not start. */
  get lastLines(): readonly string[] {
    return this.#lastLines;
  }

  /** Resolves once it is ready: at once when it is. */
  ready(): Promise<ProcessStatus> {
    return this.#ready.promise;
  }

  /** Stops it and starts it anew; resolves when the new one is ready. */
  async restart(): Promise<ProcessStatus> {
    this.#restartAsked = true;
    this.#forget();
    this.#child?.kill("SIGTERM");
    this.#pause.abort();
    return this.#ready.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    const child = this.#child;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      child.kill("SIGTERM");
      const kill = setTimeout(() => child.kill("SIGKILL"), stopPatienceMs);
      await this.#running;
      clearTimeout(kill);
    } else await this.#running;
  }

  async #run(): Promise<void> {
    let pauseMs = firstPauseMs;
    while (!this.#stop.signal.aborted) {
      const { code, ended } = await this.#runOnce();
      if (this.#stop.signal.aborted) return;
      const wasReady = this.#status !== undefined;
      if (code === unmendedExitCode) this.#rejectReady();
      this.#forget();
      if (this.#restartAsked) {
        this.#restartAsked = false;
        pauseMs = firstPauseMs;
        continue;
      }
      pauseMs = wasReady ? firstPauseMs : Math.min(longestPauseMs, pauseMs * 2);
      this.#settings.log(this.plan.name, `ended (${ended}); starting again in ${pauseMs} ms`);
      this.#pause = new AbortController();
      const cut = AbortSignal.any([this.#stop.signal, this.#pause.signal]);
      await delay(pauseMs, undefined, { signal: cut }).catch(() => undefined);
      this.#restartAsked = false;
    }
  }

  #rejectReady(): void {
    const said = this.#lastLines.join("\n");
    this.#ready.reject(new QuartetError("failed_precondition", `${this.plan.name} cannot start:\n${said}`));
    this.#ready = Promise.withResolvers<ProcessStatus>();
    this.#ready.promise.catch(() => undefined);
  }

  #forget(): void {
    if (this.#status === undefined) return;
    this.#status = undefined;
    this.#ready = Promise.withResolvers<ProcessStatus>();
    this.#ready.promise.catch(() => undefined);
  }

  /** In a process group of its own: Ctrl-C reaches the supervisor alone, which stops all in order. */
  #runOnce(): Promise<{ readonly code: number | null; readonly ended: string }> {
    const { script, projectRoot } = this.#settings;
    const child = spawn(process.execPath, [script, "--project", projectRoot, ...this.plan.args], {
      env: { ...this.#settings.inherited, ...this.plan.environment },
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      detached: true,
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on("line", (line) => this.#print(line));
    }
    child.on("message", (message) => this.#receive(message, child.pid ?? 0));
    return new Promise((resolve) => {
      child.once("error", (error) => resolve({ code: null, ended: error.message }));
      child.once("close", (code, signal) => resolve({ code, ended: signal ?? `exit code ${code}` }));
    });
  }

  #print(line: string): void {
    this.#lastLines = [...this.#lastLines.slice(-9), line];
    this.#settings.log(this.plan.name, line);
  }

  #receive(message: unknown, pid: number): void {
    if (!isReadyReport(message)) return;
    const { port } = this.plan;
    this.#status = {
      name: this.plan.name,
      class: message.class,
      url: port === undefined ? undefined : `http://127.0.0.1:${port}`,
      pid,
      database: message.database,
      reasons: message.reasons,
    };
    this.#ready.resolve(this.#status);
    this.#settings.onReady(this.#status);
  }
}

interface ReadyMessage {
  readonly kind: "ready";
  readonly class: string;
  readonly database: string;
  readonly reasons: readonly string[];
}

function isReadyReport(message: unknown): message is ReadyMessage {
  return typeof message === "object" && message !== null && "kind" in message && message.kind === "ready";
}
