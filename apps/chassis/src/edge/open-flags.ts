import type { Pool } from "pg";
import type { Logger } from "pino";
import { fileFlags } from "../flags/file-flags.ts";
import { FlagBook } from "../flags/flag-book.ts";
import { tableFlags } from "../flags/table-flags.ts";
import { flagsEveryMs, openFlagWatch } from "../flags/watch-flags.ts";
import type { Domain } from "../service/domain.ts";

export interface FlagSettings {
  readonly domain: Domain;
  /** A file of flag definitions, instead of the main database's. */
  readonly flagsFile?: string | undefined;
  readonly log: Logger;
}

/** The flags of a class process: of its file, else of its main database; a process that has neither has none. */
export async function openFlags(
  stack: AsyncDisposableStack,
  { domain, flagsFile, log }: FlagSettings,
  main: Pool | undefined,
): Promise<FlagBook> {
  const table = main === undefined ? undefined : tableFlags(main);
  const source = flagsFile === undefined ? table : fileFlags(flagsFile);
  const book = new FlagBook(domain.methods, source);
  if (source !== undefined) stack.use(await openFlagWatch({ book, log, everyMs: flagsEveryMs }));
  return book;
}
