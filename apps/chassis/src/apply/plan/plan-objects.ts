import type { DdlObject } from "../../pbtable/ddl-object.ts";
import type { Catalog } from "../catalog/read-catalog.ts";
import { noteObjectSql, type ObjectState, sourceHash } from "../catalog/read-objects.ts";
import { catalogOnly, noLock, type Step } from "../step.ts";

/** Steps for those objects that are not there, or are of an older text. One that somebody replaced is left alone. */
export function planObjects(objects: readonly DdlObject[], catalog: Catalog): readonly Step[] {
  const needed = objects.filter((object) => isNeeded(object, catalog.objects.get(object.identity)));
  return withPartitions(needed).map(([first, ...rest]) => objectStep(first, rest));
}

/** Whether somebody replaced an object since apply made it. */
export function isReplaced(state: ObjectState | undefined): boolean {
  const recorded = state?.recorded?.definition ?? null;
  const found = state?.definition ?? null;
  return found !== null && recorded !== null && majorOf(found) === majorOf(recorded) && found !== recorded;
}

function isNeeded(object: DdlObject, state: ObjectState | undefined): boolean {
  const { definition = null, recorded = null } = state ?? {};
  if (recorded === null) return true;
  if (definition === null) return recorded.definition !== null || recorded.source !== sourceHash(object);
  if (state?.open === true) return true;
  if (isReplaced(state)) return false;
  return definition !== recorded.definition || recorded.source !== sourceHash(object);
}

/** Another major version of Postgres may word the same differently: that is made anew, not taken for a change. */
function majorOf(hash: string): string {
  return hash.slice(0, hash.indexOf(":"));
}

/** Partitions of a table that is new are made with it, since nobody writes it yet; others each on their own. */
function withPartitions(objects: readonly DdlObject[]): readonly (readonly [DdlObject, ...DdlObject[]])[] {
  const groups: [DdlObject, ...DdlObject[]][] = [];
  for (const object of objects) {
    const parent = parentOf(object);
    const group = groups.find(([first]) => parent !== undefined && first.identity === parent);
    if (group === undefined) groups.push([object]);
    else group.push(object);
  }
  return groups;
}

/** Quoted name of the table that an object is a partition of. */
function parentOf({ kind, create }: DdlObject): string | undefined {
  const name = kind === "table" ? / partition of (\S+) /.exec(create)?.[1] : undefined;
  return name?.startsWith('"') === false
    ? name
        .split(".")
        .map((part) => `"${part}"`)
        .join(".")
    : name;
}

function objectStep(object: DdlObject, partitions: readonly DdlObject[]): Step {
  const all = [object, ...partitions];
  const sql = [...all.map(createSql), ...all.map(noteObjectSql)].join(";\n");
  const more = partitions.length === 0 ? "" : ` and its partitions`;
  const kind = object.create.startsWith("create index") ? "index" : object.kind;
  return { what: `${kind} ${plainName(object.identity)}${more}`, sql, ...costOf(object) };
}

/** What has its owner's rights is nobody else's to call; revoked where it is made, so that there is no moment between. */
function createSql(object: DdlObject): string {
  if (object.kind !== "function" || !/\bsecurity definer\b/i.test(object.create)) return object.create;
  return `${object.create};\nrevoke execute on function ${object.identity} from public`;
}

function costOf(object: DdlObject): Pick<Step, "lock" | "duration" | "locks"> {
  const parent = parentOf(object);
  if (parent !== undefined) {
    return {
      lock: `ACCESS EXCLUSIVE on ${parent} and its default partition: holds up who reads or writes it`,
      duration:
        "milliseconds, and a look through the rows of the default partition, which is empty as a rule",
    };
  }
  if (object.kind === "view") {
    const lock = `ACCESS EXCLUSIVE on ${object.identity}: holds up who uses the view, not who uses the table`;
    return { lock, duration: catalogOnly };
  }
  const relation = object.kind === "trigger" ? relationOf(object.identity) : undefined;
  if (relation === undefined) return { lock: noLock, duration: catalogOnly };
  return {
    lock: `SHARE ROW EXCLUSIVE on ${relation}: holds up who writes it, not who reads it`,
    duration: catalogOnly,
    ...(object.create.includes("instead of") ? {} : { locks: { relation, mode: "share row exclusive" } }),
  };
}

/** What a trigger's identity, `"name" on "schema"."table"`, says after its last ` on `. */
export function relationOf(identity: string): string {
  return identity.slice(identity.lastIndexOf('" on "') + '" on '.length);
}

/** An identity as people write it: without the quotes of ordinary names. */
function plainName(identity: string): string {
  return identity.replaceAll(/"([a-z_][a-z0-9_]*)"/g, "$1");
}
