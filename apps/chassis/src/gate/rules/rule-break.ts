import type { LocatedDesc } from "../../schema/locate-descriptor.ts";

/** A rule of ours that the next schema breaks. */
export interface RuleBreak {
  readonly rule: OwnRule;
  /** One sentence with its full stop. */
  readonly message: string;
  /** Where in the next schema; undefined: what it was about is gone. */
  readonly desc: LocatedDesc | undefined;
  /** Field numbers and indexes from the descriptor's proto to the place, such as those of an option. */
  readonly inside?: readonly number[];
}

/** What buf cannot see: options of ours and of Google's, and the order of an enum value's names and of a oneof's members. */
export type OwnRule =
  | "TABLE_NO_DELETE"
  | "TABLE_SAME_NAME"
  | "TABLE_SAME_KEY"
  | "TABLE_HISTORY_NO_DISABLE"
  | "TABLE_PUBLISH_NO_DISABLE"
  | "COLUMN_NO_HIDE"
  | "COLUMN_PATH_NO_DELETE"
  | "COLUMN_SAME_SOURCE"
  | "INDEX_UNIQUE_NO_DELETE"
  | "EVENT_SAME_KEY"
  | "EVENT_SAME_AGGREGATE_TYPE"
  | "METHOD_SAME_KIND"
  | "HTTP_SAME_PATH"
  | "HTTP_SAME_BODY"
  | "ENUM_VALUE_SAME_JSON_NAME"
  | "ONEOF_MEMBER_COMES_LAST";
