export { type ErrorCode, errorCodes } from "./error/error-codes.ts";
export { type ErrorExtras, QuartetError } from "./error/quartet-error.ts";
export type { ReadonlyKysely } from "./pbtable/kysely.ts";
export type { KeyPart, TableKey } from "./pbtable/table-key.ts";
export type { TableReader } from "./pbtable/table-reader.ts";
export type { PbRow, TableTypes } from "./pbtable/table-types.ts";
export type { TableWriter } from "./pbtable/table-writer.ts";
export type {
  CallContext,
  CommandContext,
  EventInfo,
  QueryContext,
  ReactionContext,
  ServiceClient,
} from "./service/contexts.ts";
export { type Domain, type DomainDefinition, defineDomain, type ExampleRequest } from "./service/domain.ts";
export { type Reaction, reaction } from "./service/reaction.ts";
export {
  type Command,
  type Compute,
  command,
  compute,
  type Handlers,
  type Method,
  type Query,
  query,
  type Service,
  service,
} from "./service/service.ts";
export { type PublishOptions, type Write, type WriteContext, write } from "./service/write.ts";
export type { Written } from "./service/written.ts";
