/**
 * Now, in ms since the machine was started: the monotonic clock of the operating system, which all processes of a
 * machine share. Times of two processes may be compared; wall clocks of two processes of Node may be apart by more than
 * what is measured here.
 */
export function commonNow(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
