/** Longest time that a client may ask for. */
export const maxTimeoutMs = 60_000;

/** What a `Prefer` header (RFC 7240) asks for. */
export interface Preferences {
  /** `respond-async`. */
  readonly respondAsync: boolean;
  /** `wait=N`, in ms. */
  readonly waitMs: number | undefined;
}

/** Unknown preferences are ignored, as are malformed ones. */
export function readPrefer(text: string | undefined): Preferences {
  if (text === undefined) return nothingPreferred;
  const parts = text.split(",").map((part) => part.trim().toLowerCase());
  const wait = parts.map((part) => /^wait=(\d{1,6})$/.exec(part)?.[1]).find((value) => value !== undefined);
  return {
    respondAsync: parts.includes("respond-async"),
    waitMs: wait === undefined ? undefined : Math.min(Number(wait) * 1000, maxTimeoutMs),
  };
}

const nothingPreferred: Preferences = { respondAsync: false, waitMs: undefined };
