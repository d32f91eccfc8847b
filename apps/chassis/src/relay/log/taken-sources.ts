import { QuartetError } from "../../error/quartet-error.ts";
import type { CapturePoint, CaptureState, SourceFence } from "./event-log.ts";

/** A source as this process knows it to be stored. */
export interface TakenSource extends SourceFence {
  readonly point: CapturePoint;
  readonly lastEventId: string | undefined;
}

/**
 * What this process knows of the sources it has taken. An append is a step from a known state: when one fails it is not
 * known whether it happened, or will still, so the state is forgotten and the source has to be taken again.
 */
export class TakenSources {
  readonly #sources = new Map<string, TakenSource>();

  take(fence: SourceFence, { point, lastEventId }: CaptureState): void {
    this.#sources.set(fence.source, { ...fence, point, lastEventId });
  }

  /**
   * Makes a step of a source: `work` gets the state before and returns the one after.
   *
   * @throws QuartetError `failed_precondition` when the state is not known.
   */
  async step<T>(
    fence: SourceFence,
    work: (source: TakenSource) => Promise<readonly [Partial<TakenSource>, T]>,
  ): Promise<T> {
    const source = this.#sources.get(fence.source);
    if (source === undefined || source.epoch !== fence.epoch) {
      throw new QuartetError("failed_precondition", `${fence.source} is to be taken first.`, {
        fix: "Take the source when its lease begins, and again after an append that failed.",
      });
    }
    this.#sources.delete(fence.source);
    const [change, result] = await work(source);
    this.#sources.set(fence.source, { ...source, ...change });
    return result;
  }
}

/** Whether a point is further than another of the same WAL. */
export function isBeyond(point: CapturePoint, other: CapturePoint): boolean {
  return point.commitLsn === other.commitLsn ? point.rows > other.rows : point.commitLsn > other.commitLsn;
}
