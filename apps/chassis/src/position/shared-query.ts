/**
 * A query whose answer many want at once. Whoever asks gets the answer of a run that began after asking; one run is under
 * way at a time, and at most one waits behind it, however many ask.
 */
export class SharedQuery<T> {
  readonly #run: () => Promise<T>;
  #running = false;
  #next: PromiseWithResolvers<T> | undefined;

  constructor(run: () => Promise<T>) {
    this.#run = run;
  }

  ask(): Promise<T> {
    if (!this.#running) return this.#begin();
    this.#next ??= Promise.withResolvers<T>();
    return this.#next.promise;
  }

  #begin(): Promise<T> {
    this.#running = true;
    const run = this.#run();
    const goOn = () => {
      this.#running = false;
      const next = this.#next;
      this.#next = undefined;
      next?.resolve(this.#begin());
    };
    run.then(goOn, goOn);
    return run;
  }
}
