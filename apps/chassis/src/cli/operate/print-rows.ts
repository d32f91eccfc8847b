import { type DescMessage, type Message, type MessageShape, toJson } from "@bufbuild/protobuf";
import { formatColumns } from "../../cluster/format-columns.ts";
import { systemRegistry } from "../../schema/system-registry.ts";

/** A column of a listing, for people. */
export interface Column<T> {
  readonly title: string;
  readonly cell: (row: T) => string;
}

/** Prints messages: as aligned columns, or one JSON line each. Without any, and for people, says so. */
export function printRows<D extends DescMessage>(
  desc: D,
  rows: readonly MessageShape<D>[],
  columns: readonly Column<MessageShape<D>>[],
  { json, none }: { readonly json: boolean; readonly none: string },
): void {
  if (json) for (const row of rows) console.log(JSON.stringify(messageJson(desc, row)));
  else if (rows.length === 0) console.log(none);
  else {
    const cells = rows.map((row) => columns.map(({ cell }) => printable(cell(row))));
    console.log(formatColumns([columns.map(({ title }) => title), ...cells]));
  }
}

/** What strangers write, such as keys and answers, must not move the cursor of a terminal. */
export function printable(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, " ");
}

/** A message as ProtoJSON, with what is unset left out. */
export function messageJson<D extends DescMessage>(desc: D, message: MessageShape<D>) {
  return toJson(desc, message as Message & MessageShape<D>, { registry: systemRegistry });
}

/** A duration in its largest unit, for people. */
export function formatAge(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}
