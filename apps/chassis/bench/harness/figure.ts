/** One number of a suite, and what it is held to. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** Such as `>= 0.85`. Undefined: reported only. */
  readonly bound: string | undefined;
  /** Undefined where there is no bound. */
  readonly holds: boolean | undefined;
  /** For people: what the number was made of. */
  readonly note: string;
}

interface FigureParts {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly note?: string;
}

/** A number that is held to nothing. */
export function reported(parts: FigureParts): Figure {
  return { ...parts, note: parts.note ?? "", bound: undefined, holds: undefined };
}

export function atLeast(bound: number, parts: FigureParts): Figure {
  return { ...parts, note: parts.note ?? "", bound: `>= ${bound}`, holds: parts.value >= bound };
}

export function below(bound: number, parts: FigureParts): Figure {
  return { ...parts, note: parts.note ?? "", bound: `< ${bound}`, holds: parts.value < bound };
}

export function atMost(bound: number, parts: FigureParts): Figure {
  return { ...parts, note: parts.note ?? "", bound: `<= ${bound}`, holds: parts.value <= bound };
}

export function equals(bound: number, parts: FigureParts): Figure {
  return { ...parts, note: parts.note ?? "", bound: `= ${bound}`, holds: parts.value === bound };
}
