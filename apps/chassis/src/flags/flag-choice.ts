import {
  type CommandMode,
  type Consistency,
  defaultConsistency,
  defaultMode,
  type MethodKind,
} from "../schema/method.ts";
import type { DomainMethod } from "../service/domain.ts";

/** What a method does for one principal, and why. */
export interface Choice<V extends string = CommandMode | Consistency> {
  readonly value: V;
  readonly from: "proto" | "flag";
  /** Why, for people. */
  readonly reason: string;
}

const modes: readonly string[] = ["direct", "offloaded", "async"] satisfies CommandMode[];
const consistencies: readonly string[] = ["eventual", "own_writes", "strong"] satisfies Consistency[];

/** What a flag of a method of this kind may say. Nothing for a compute: it has no choice. */
export function choicesOf(kind: MethodKind): readonly string[] {
  if (kind === "command") return modes;
  return kind === "query" ? consistencies : [];
}

/** What the proto says, where no flag says otherwise. */
export function defaultChoice({ handler, desc }: DomainMethod): CommandMode | Consistency {
  return handler.kind === "command" ? defaultMode(desc) : defaultConsistency(desc);
}
