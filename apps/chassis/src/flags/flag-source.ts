import type { FlagAlarm } from "./flag-alarm.ts";

/** What a look at a source has found. */
export type FlagReading =
  | { readonly changed: false }
  | {
      readonly changed: true;
      /** Flag definitions, not yet looked at. Undefined: there are none. */
      readonly document: string | undefined;
      /** Of whoever the document comes from. */
      readonly alarms?: readonly FlagAlarm[];
    };

/** Where flags come from. */
export interface FlagSource {
  /** For people. */
  readonly name: string;
  /**
   * Looks once. Cheap when nothing has changed since the last time.
   *
   * @throws anything when it cannot be read; the next look begins anew.
   */
  read(signal: AbortSignal): Promise<FlagReading>;
}

export const unchanged: FlagReading = { changed: false };
