import type { Registry } from "@bufbuild/protobuf";
import type { Reaction } from "../reaction.ts";
import type { Write } from "../write.ts";
import type { Saga } from "./saga.ts";
import { createSagaReactions } from "./saga-reactions.ts";
import { createSagaWrite } from "./saga-write.ts";

/** What the sagas of a domain add to it. */
export interface SagaAdditions {
  readonly writes: readonly Write[];
  readonly reactions: readonly Reaction[];
}

/** @param writes of the domain, by the full name of their input */
export function addSagas(
  sagas: ReadonlyMap<string, Saga>,
  writes: ReadonlyMap<string, Write>,
  registry: Registry,
): SagaAdditions {
  if (sagas.size === 0) return { writes: [], reactions: [] };
  const write = createSagaWrite({ registry, sagas, writes });
  // Looked up by its input's type, as all writes are.
  return { writes: [write as unknown as Write], reactions: createSagaReactions({ registry, sagas, write }) };
}
