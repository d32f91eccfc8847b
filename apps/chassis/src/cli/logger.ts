import { type Logger, pino } from "pino";

/** JSON lines on standard output, one per event of note. */
export function createLogger(name: string, level: string): Logger {
  return pino({ name, level, base: null, timestamp: pino.stdTimeFunctions.isoTime });
}
