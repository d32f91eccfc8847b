import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { DescriptorProtoSchema, FieldDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import * as options from "../../gen/quartet/v1/options_pb.ts";
import { locateDescriptor, type SourcePlace } from "../locate-descriptor.ts";
import { faultError } from "./fault-error.ts";

/** A part of a proto that somebody has to change. */
export interface FaultPlace {
  readonly desc: DescMessage | DescField;
  /** Field numbers and indexes from the descriptor's proto to the fault; empty: the descriptor itself. */
  readonly inside: readonly number[];
}

/** Something in the protos that keeps a message from being a table. */
export interface SchemaFault {
  readonly place: FaultPlace;
  /** A sentence without its full stop. */
  readonly what: string;
}

/** Takes a fault; reading goes on, so that all of them are shown together. */
export type ReportFault = (what: string, place: FaultPlace) => void;

/** The message or field itself. */
export function at(desc: DescMessage | DescField): FaultPlace {
  return { desc, inside: [] };
}

/** Something of the message's `(quartet.v1.table)`: field numbers of TableOptions and indexes of lists. */
export function inTable(message: DescMessage, ...inside: readonly number[]): FaultPlace {
  const { number } = DescriptorProtoSchema.field.options;
  return { desc: message, inside: [number, options.table.number, ...inside] };
}

/** Something of the field's `(quartet.v1.column)`: field numbers of ColumnOptions and indexes of lists. */
export function inColumn(field: DescField, ...inside: readonly number[]): FaultPlace {
  const { number } = FieldDescriptorProtoSchema.field.options;
  return { desc: field, inside: [number, options.column.number, ...inside] };
}

/**
 * The faults as compilers print them, one a line: `shop/v1/orders.proto:12:3: shop.v1.Order: a table needs a key.` In the
 * order of files and lines, each once.
 */
export function formatFaults(faults: readonly SchemaFault[]): readonly string[] {
  const located = faults.map((fault) => ({
    fault,
    where: locateDescriptor(fault.place.desc, fault.place.inside),
  }));
  const lines = located
    .sort((a, b) => comparePlaces(a.where, b.where))
    .map(({ fault, where }) => `${formatPlace(where)}: ${messageOf(fault.place).typeName}: ${fault.what}.`);
  return [...new Set(lines)];
}

/** Throws QuartetError `invalid_argument` with every fault on a line of its own, if there are any. */
export function refuseFaults(faults: readonly SchemaFault[]): void {
  if (faults.length > 0) throw faultError(formatFaults(faults));
}

function messageOf({ desc }: FaultPlace): DescMessage {
  return desc.kind === "field" ? desc.parent : desc;
}

function formatPlace({ file, position }: SourcePlace): string {
  return position === undefined ? file : `${file}:${position.line}:${position.column}`;
}

function comparePlaces(a: SourcePlace, b: SourcePlace): number {
  if (a.file !== b.file) return a.file < b.file ? -1 : 1;
  const lines = (a.position?.line ?? 0) - (b.position?.line ?? 0);
  return lines === 0 ? (a.position?.column ?? 0) - (b.position?.column ?? 0) : lines;
}
