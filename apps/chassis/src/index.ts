export { type ErrorCode, errorCodes } from "./error/error-codes.ts";
export { type ErrorExtras, QuartetError } from "./error/quartet-error.ts";
export { createInbox, type InboxHandler } from "./inbox/create-inbox.ts";
export type { InboxEvent } from "./inbox/inbox-event.ts";
export type { InboxOptions } from "./inbox/inbox-options.ts";
export { inboxTableSql } from "./inbox/inbox-table.ts";
export { createEventId } from "./outbox/event-id.ts";
export { type EventToPublish, publish, publishMany } from "./outbox/publish.ts";
export type { EventCause, OwnPublishOptions, PublishOptions } from "./outbox/publish-options.ts";
export type { RecordedChange, RowPatch, TableHistory } from "./pbtable/history/table-history.ts";
export type { ReadonlyKysely } from "./pbtable/kysely.ts";
export type { Filter } from "./pbtable/list/filter.ts";
export type { ListOptions, ListQuery, Page } from "./pbtable/list/list-rows.ts";
export type { OrderBy } from "./pbtable/list/order-by.ts";
export { versionOf } from "./pbtable/message-version.ts";
export type { RowChanges } from "./pbtable/row-changes.ts";
export type { Stored } from "./pbtable/stored.ts";
export type { KeyPart, TableKey } from "./pbtable/table-key.ts";
export type { TableReader } from "./pbtable/table-reader.ts";
export type { HistoryRow, PbRow, TableTypes, ViewColumns, ViewRow } from "./pbtable/table-types.ts";
export type { Expected, TableWriter } from "./pbtable/table-writer.ts";
export type {
  CallContext,
  CommandContext,
  EventInfo,
  QueryContext,
  ReactionContext,
  ServiceClient,
} from "./service/contexts.ts";
export { type Domain, type DomainDefinition, defineDomain, type ExampleRequest } from "./service/domain.ts";
export { type Change, onChange } from "./service/on-change.ts";
export { type Reaction, type ReactionOptions, reaction } from "./service/reaction.ts";
export { readSaga } from "./service/saga/read-saga.ts";
export {
  type Compensable,
  type Saga,
  type SagaDefinition,
  type SagaFailure,
  type SagaState,
  type SagaStepDefinition,
  saga,
} from "./service/saga/saga.ts";
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
export { type Write, type WriteContext, write } from "./service/write.ts";
export type { Written } from "./service/written.ts";
export type { CloudEvent } from "./wire/cloud-event/cloud-event.ts";
