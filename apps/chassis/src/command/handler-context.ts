import {
  create,
  type DescMessage,
  type DescService,
  type Message,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import { homeOf, mayCall, type ServiceClass } from "../class/service-class.ts";
import { QuartetError } from "../error/quartet-error.ts";
import type { PublishOptions } from "../outbox/publish-options.ts";
import { createReader, type ReadonlyKysely } from "../pbtable/kysely.ts";
import { versionOf } from "../pbtable/message-version.ts";
import { printKey } from "../pbtable/seen-row.ts";
import { keyOf, keyValues, type TableKey } from "../pbtable/table-key.ts";
import { TableReader } from "../pbtable/table-reader.ts";
import { methodKind, methodName } from "../schema/method.ts";
import { tableOf } from "../schema/table/table.ts";
import type {
  CallContext,
  CommandContext,
  EventInfo,
  QueryContext,
  ReactionContext,
  ServiceClient,
} from "../service/contexts.ts";
import { DecisionRecorder } from "../service/decision.ts";
import type { Write } from "../service/write.ts";
import type { Written } from "../service/written.ts";
import type { SqlClient } from "../sql/sql-client.ts";
import { readsUntil } from "../sql/timed-reads.ts";
import { type Runtime, requireMain } from "./runtime.ts";

/** Who calls, and until when. */
export interface CallScope {
  readonly principal: string;
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
}

class HandlerCallContext implements CallContext {
  readonly signal: AbortSignal;
  readonly deadlineMs: number;
  readonly principal: string;
  protected readonly runtime: Runtime;

  constructor(runtime: Runtime, scope: CallScope) {
    this.runtime = runtime;
    this.signal = scope.signal;
    this.deadlineMs = scope.deadlineMs;
    this.principal = scope.principal;
  }

  call<S extends DescService>(service: S): ServiceClient<S> {
    const methods = service.methods.map((desc) => {
      const invoke = (init: MessageInitShape<DescMessage>): Promise<Message> => {
        const method = this.runtime.domain.methods.get(methodName(desc));
        if (method === undefined) {
          throw new QuartetError("unimplemented", `${methodName(desc)} is not a method of this domain.`);
        }
        refuseUpward(this.runtime.found.serviceClass, homeOf(methodKind(desc)), methodName(desc));
        return this.runtime.callDown(method, create(desc.input, init), this);
      };
      return [desc.localName, invoke] as const;
    });
    // Built from the service's own methods, so it has exactly the functions the mapped type names.
    return Object.fromEntries(methods) as ServiceClient<S>;
  }
}

function refuseUpward(caller: ServiceClass, callee: ServiceClass, name: string): void {
  if (mayCall(caller, callee)) return;
  throw new QuartetError("permission_denied", `A ${caller} may not call ${name}, which is a ${callee}'s.`, {
    fix: "Call only lower classes; upward, publish an event.",
  });
}

class HandlerQueryContext extends HandlerCallContext implements QueryContext {
  #db: ReadonlyKysely | undefined;

  get db(): ReadonlyKysely {
    this.#db ??= createReader(requireMain(this.runtime).pool, this.deadlineMs, this.signal);
    return this.#db;
  }

  table<D extends DescMessage>(message: D): TableReader<D> {
    return new TableReader<D>(tableOf(message), this.reads, this.runtime.domain.registry);
  }

  /** What this call has time left for. */
  protected get reads(): SqlClient {
    return readsUntil(requireMain(this.runtime).pool, this.deadlineMs, this.signal);
  }
}

class HandlerCommandContext extends HandlerQueryContext implements CommandContext {
  readonly operationId: string;
  readonly recorder = new DecisionRecorder();

  constructor(runtime: Runtime, scope: CallScope, operationId: string) {
    super(runtime, scope);
    this.operationId = operationId;
  }

  write<I extends DescMessage, M extends Message>(
    write: Write<I, M>,
    intent: MessageInitShape<I>,
  ): Written<M> {
    return this.recorder.write(write, intent);
  }

  override table<D extends DescMessage>(message: D): TableReader<D> {
    const { domain } = this.runtime;
    return new TableReader<D>(tableOf(message), this.reads, domain.registry, (table, key, seen) =>
      this.recorder.rest(table, key, seen),
    );
  }

  assume<D extends DescMessage>(message: D, keyOrRow: TableKey | MessageShape<D>, version?: bigint): void {
    const table = tableOf(message);
    const key = isRow(keyOrRow) ? keyOf(table, keyOrRow) : keyOrRow;
    const assumed = isRow(keyOrRow) ? versionOf(keyOrRow) : version;
    if (assumed === undefined || assumed < 0n) throw notRead(message);
    this.recorder.rest(table, printKey(keyValues(table, key)), { version: assumed, writer: 0 });
  }

  publish<D extends DescMessage>(event: D, init: MessageInitShape<D>, options?: PublishOptions): void {
    this.recorder.publish(event, init, options);
  }
}

function isRow<M extends Message>(value: TableKey | M): value is M {
  return typeof value === "object" && "$typeName" in value;
}

function notRead(message: DescMessage): QuartetError {
  return new QuartetError("invalid_argument", `No version of this ${message.name} is known.`, {
    fix: "Give the very object that a read gave, or its key and version.",
  });
}

class HandlerReactionContext extends HandlerCommandContext implements ReactionContext {
  readonly event: EventInfo;

  constructor(runtime: Runtime, scope: CallScope, event: EventInfo) {
    super(runtime, scope, event.id);
    this.event = event;
  }
}

export function createCallContext(runtime: Runtime, scope: CallScope): CallContext {
  return new HandlerCallContext(runtime, scope);
}

export function createQueryContext(runtime: Runtime, scope: CallScope): QueryContext {
  return new HandlerQueryContext(runtime, scope);
}

export function createCommandContext(runtime: Runtime, scope: CallScope, operationId: string) {
  return new HandlerCommandContext(runtime, scope, operationId);
}

export function createReactionContext(runtime: Runtime, scope: CallScope, event: EventInfo) {
  return new HandlerReactionContext(runtime, scope, event);
}
