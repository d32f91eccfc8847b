import type { ShopClient } from "./trade/shop-client.ts";

const drawEveryMs = 200;
const lineEveryMs = 5_000;
const barCells = 24;

/**
 * Tells how far the day is, on standard error: one line that is rewritten on a terminal, else a line every few
 * seconds. Dispose it to end the line.
 */
export class Progress implements Disposable {
  readonly #timer: NodeJS.Timeout;
  readonly #client: ShopClient;
  readonly #requests: number;
  readonly #startedMs = performance.now();
  #lastKill = "";
  #phase = "";

  constructor(client: ShopClient, requests: number) {
    this.#client = client;
    this.#requests = requests;
    const everyMs = process.stderr.isTTY ? drawEveryMs : lineEveryMs;
    this.#timer = setInterval(() => this.#draw(), everyMs);
  }

  /** What the day does now, in place of the bar. Empty: the bar. */
  phase(text: string): void {
    this.#phase = text;
  }

  killed(what: string): void {
    this.#lastKill = what;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#draw();
    if (process.stderr.isTTY) process.stderr.write("\n");
  }

  #draw(): void {
    const text = this.#phase === "" ? this.#bar() : this.#phase;
    process.stderr.write(process.stderr.isTTY ? `\r${text}\u001b[K` : `${text}\n`);
  }

  #bar(): string {
    const { done, retried } = this.#client;
    const share = Math.min(1, done / this.#requests);
    const full = Math.round(share * barCells);
    const seconds = (performance.now() - this.#startedMs) / 1000;
    const kill = this.#lastKill === "" ? "" : `  ${this.#lastKill}`;
    const bar = "█".repeat(full) + "░".repeat(barCells - full);
    return `${bar} ${done}/${this.#requests}  ${Math.round(done / seconds)}/s  ${retried} retried${kill}`;
  }
}
