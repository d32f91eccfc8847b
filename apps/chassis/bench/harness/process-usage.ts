/** What a process has used since it was started. */
export interface ProcessUsage {
  /** The most memory it has had, as far as samples tell. */
  readonly maxRssBytes: number;
  /** User and system. */
  readonly cpuMs: number;
}

const sampleMs = 100;

/** Samples this process until it ends; call the result for what it has used. */
export function watchUsage(): () => ProcessUsage {
  let maxRssBytes = 0;
  const sample = () => {
    maxRssBytes = Math.max(maxRssBytes, process.memoryUsage.rss());
  };
  setInterval(sample, sampleMs).unref();
  return () => {
    sample();
    const { user, system } = process.cpuUsage();
    return { maxRssBytes, cpuMs: (user + system) / 1_000 };
  };
}
