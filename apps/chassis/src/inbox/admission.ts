import type { IncomingMessage } from "node:http";
import { QuartetError } from "../error/quartet-error.ts";

/**
 * Bounds the memory of what an inbox has taken in and not yet answered. A body counts before it is read, with the length
 * its head says, or as the longest one when that says none.
 */
export class Admission {
  readonly #maxBytes: number;
  readonly #maxBodyBytes: number;
  #bytes = 0;

  /** One body is always taken, when it is alone. */
  constructor(maxBytes: number, maxBodyBytes: number) {
    this.#maxBytes = maxBytes;
    this.#maxBodyBytes = maxBodyBytes;
  }

  /**
   * @returns what gives the room back; to be called once.
   * @throws QuartetError `overloaded`, to come back in a second, when there is no room.
   */
  enter(request: IncomingMessage): () => void {
    const bytes = Math.min(
      Number(request.headers["content-length"] ?? this.#maxBodyBytes),
      this.#maxBodyBytes,
    );
    if (this.#bytes > 0 && this.#bytes + bytes > this.#maxBytes) {
      throw new QuartetError("overloaded", "The inbox has as many events waiting as it takes.", {
        retryAfterSeconds: 1,
      });
    }
    this.#bytes += bytes;
    return () => {
      this.#bytes -= bytes;
    };
  }
}
