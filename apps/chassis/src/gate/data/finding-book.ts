import { isNote, type Remark, type RemarkKind } from "./remark.ts";

/** The same remark on any number of rows of one table. */
export interface DataFinding {
  readonly database: DatabaseName;
  /** `schema.table`. */
  readonly table: string;
  /** Full name of the event's type, where the table holds events. */
  readonly type?: string;
  readonly path: string;
  readonly kind: RemarkKind;
  readonly detail: string;
  /** How many rows; 0 when it is said of the table. */
  readonly rows: number;
  /** There may be more: the search for them was cut short. */
  readonly atLeast: boolean;
  /** Keys of the first of these rows. */
  readonly examples: readonly (readonly string[])[];
}

export type DatabaseName = "main" | "events";

/** Where a remark was made. */
export interface Scope {
  readonly database: DatabaseName;
  readonly table: string;
  readonly type?: string | undefined;
}

const maxExamples = 3;
/** Paths and details can come from the data, so their number per table and kind is bounded; what is over is one entry. */
const maxFindings = 200;

/** Counts remarks by table, path and kind, in memory that does not grow with the number of rows. */
export class FindingBook {
  private readonly counted = new Map<string, DataFinding & { rows: number; examples: string[][] }>();

  private readonly entries = new Map<string, number>();

  /** Notes the remarks on one row: each counts once, however often the row has it. */
  add(scope: Scope, key: readonly string[], remarks: readonly Remark[]): void {
    const seen = new Set<string>();
    for (const remark of remarks) {
      const finding = this.find(scope, remark);
      const id = idOf(finding, finding);
      if (seen.has(id)) continue;
      seen.add(id);
      finding.rows += 1;
      if (finding.examples.length < maxExamples) finding.examples.push([...key]);
    }
  }

  /** Notes what is true of a table as a whole. */
  addTable(scope: Scope, remark: Remark): void {
    this.find(scope, remark);
  }

  /** Marks that rows of a path were no longer looked for. */
  cutShort(scope: Scope, path: string): void {
    for (const [id, finding] of this.counted) {
      const { database, table, kind } = finding;
      if (database === scope.database && table === scope.table && kind === "column" && finding.path === path)
        this.counted.set(id, { ...finding, atLeast: true });
    }
  }

  get findings(): readonly DataFinding[] {
    return [...this.counted.values()].filter(({ kind }) => !isNote(kind));
  }

  get notes(): readonly DataFinding[] {
    return [...this.counted.values()].filter(({ kind }) => isNote(kind));
  }

  private find(scope: Scope, remark: Remark) {
    const known = this.counted.get(idOf(scope, remark));
    if (known !== undefined) return known;
    const { database, table, type } = scope;
    const place = JSON.stringify([database, table, remark.kind]);
    const entries = this.entries.get(place) ?? 0;
    this.entries.set(place, entries + 1);
    const full = entries >= maxFindings;
    const shared = { kind: remark.kind, path: "", detail: "more such, of other paths or values" };
    const filed = full ? shared : remark;
    const id = idOf(scope, filed);
    const finding = this.counted.get(id) ?? {
      database,
      table,
      ...(type === undefined ? {} : { type }),
      path: filed.path,
      kind: filed.kind,
      detail: filed.detail,
      rows: 0,
      atLeast: false,
      examples: [],
    };
    this.counted.set(id, finding);
    return finding;
  }
}

function idOf(scope: Scope, { kind, path, detail }: Remark): string {
  return JSON.stringify([scope.database, scope.table, scope.type, path, kind, detail]);
}
