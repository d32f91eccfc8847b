import type { Message } from "@bufbuild/protobuf";
import type { Pool } from "pg";
import type { Logger } from "pino";
import type { FoundClass } from "../class/find-class.ts";
import { QuartetError } from "../error/quartet-error.ts";
import type { FlagBook } from "../flags/flag-book.ts";
import type { ReplayWatcher } from "../position/replay-watcher.ts";
import type { CallContext } from "../service/contexts.ts";
import type { Domain, DomainMethod } from "../service/domain.ts";
import type { AddressRules } from "../wire/http/address-rules.ts";
import type { OperationWatcher } from "./operation-watcher.ts";

/** What a running process of any class has. Opened once, by the class it found itself to be. */
export interface Runtime {
  readonly domain: Domain;
  readonly found: FoundClass;
  readonly log: Logger;
  /** What this process is called in the fates of operations. */
  readonly node: string;
  /** Modes of commands that come past the gateway. */
  readonly flags: FlagBook;
  /** Undefined in the lambda class. */
  readonly main: MainDatabase | undefined;
  /** Where this class may append events: the main database in crud, the events database in micro. */
  readonly outbox: Pool | undefined;
  /** Proves and checks operation ids. */
  readonly secret: Buffer;
  /** Where callbacks may be asked for. Absent: at public addresses alone. */
  readonly addressRules?: AddressRules;
  /** Calls a method of a lower class. */
  callDown(method: DomainMethod, request: Message, context: CallContext): Promise<Message>;
}

/** The main database as this process reaches it: the primary in crud, a replica elsewhere. */
export interface MainDatabase {
  /** For reading: in crud its transactions may do nothing else. */
  readonly pool: Pool;
  /** For the transactions of writes: in crud alone. */
  readonly writer: Pool | undefined;
  readonly replay: ReplayWatcher;
  readonly operations: OperationWatcher;
}

export function requireMain(runtime: Runtime): MainDatabase {
  if (runtime.main !== undefined) return runtime.main;
  throw new QuartetError("wrong_class", "A lambda has no database.");
}

/** The pool of writing transactions; where there is one, the class is crud. */
export function requireWriter(runtime: Runtime): Pool {
  const writer = runtime.main?.writer;
  if (writer !== undefined) return writer;
  throw new QuartetError("wrong_class", `A ${runtime.found.serviceClass} may not write.`);
}

export function requireOutbox(runtime: Runtime): Pool {
  if (runtime.outbox !== undefined) return runtime.outbox;
  throw new QuartetError("wrong_class", `A ${runtime.found.serviceClass} may not publish.`);
}
