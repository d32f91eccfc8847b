/** Something about the flags that somebody has to mend. The routes go on without what it names. */
export interface FlagAlarm {
  /**
   * `unreadable`: the source cannot be read; `malformed`: what it holds are no flags; of both, the flags of before stay.
   * `unfit`: a flag does not fit a method; `undecided`: a flag came to no variant; of both, the proto's default counts.
   */
  readonly kind: "unreadable" | "malformed" | "unfit" | "undecided";
  /** The flag's key; undefined where it is about all of them. */
  readonly flag: string | undefined;
  /** What is wrong, on one line. */
  readonly message: string;
}

/** The same text for the same alarm. */
export function describeAlarm({ kind, flag, message }: FlagAlarm): string {
  return flag === undefined ? `${kind}: ${message}` : `${kind}: ${flag}: ${message}`;
}
