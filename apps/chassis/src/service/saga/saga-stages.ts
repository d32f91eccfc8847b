import type { DescMessage } from "@bufbuild/protobuf";
import type { Compensable, Saga } from "./saga.ts";

/** Name of the first stage: what the event that begins a run stands for. */
export const startStage = "start";

/** What can be undone: the start, then the steps. */
export interface SagaStage extends Compensable<DescMessage> {
  readonly name: string;
  readonly timeoutMs: number;
}

/** All that a run of a saga goes through, in order. The start's compensation has as long as the slowest step. */
export function stagesOf(saga: Saga): readonly SagaStage[] {
  const timeoutMs = Math.max(...saga.steps.map((step) => step.timeoutMs));
  return [{ name: startStage, timeoutMs, compensate: saga.compensate }, ...saga.steps];
}

/** What an event means to a saga. */
export type SagaEventMeaning =
  | { readonly kind: "start" }
  | { readonly kind: "cancelled" }
  | { readonly kind: "done" | "failed"; readonly step: string };

/** Every message that a saga takes as an event, by full name. */
export function eventsOf(saga: Saga): readonly (readonly [DescMessage, SagaEventMeaning])[] {
  const listed: (readonly [DescMessage | undefined, SagaEventMeaning])[] = [
    [saga.start, { kind: "start" }],
    [saga.cancelled, { kind: "cancelled" }],
    ...saga.steps.flatMap(({ name, done, failed }) => [
      [done, { kind: "done", step: name }] as const,
      [failed, { kind: "failed", step: name }] as const,
    ]),
  ];
  return listed.flatMap(([desc, meaning]) => (desc === undefined ? [] : [[desc, meaning] as const]));
}
