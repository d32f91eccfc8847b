import { quoteIdentifier } from "../../schema/identifier.ts";
import { rightKey, type World } from "../catalog/read-world.ts";
import { differingRights, type Rights, type RightsTarget } from "../rights.ts";
import { noLock, type Step } from "../step.ts";

/** The grants that are missing, and the revocation of what everybody may in a new database. */
export function planRights(target: RightsTarget, world: World): readonly Step[] {
  const granted = differingRights(target.granted, world.rights, "granted").filter(
    ({ kind, objects }) => kind !== "function" || world.superuser || objects.every(isOurs),
  );
  const revoked = differingRights(target.revoked, world.rights, "revoked");
  return [
    ...revokePublic(world),
    ...granted.map((rights) => rightsStep("grant", rights)),
    ...revoked.map((rights) => rightsStep("revoke", rights)),
  ];
}

/** Rights on functions of Postgres are its superuser's to give. */
function isOurs(functionName: string): boolean {
  return functionName.startsWith("quartet.");
}

function revokePublic(world: World): readonly Step[] {
  const { database, openFunctions } = world;
  const temporary = world.rights.has(rightKey("database", database, "public", "temporary"));
  return [
    ...(temporary ? [step(`revoke temporary on database ${quoteIdentifier(database)} from public`)] : []),
    ...(openFunctions.length > 0
      ? [step(`revoke execute on function ${openFunctions.join(", ")} from public`)]
      : []),
  ];
}

function rightsStep(verb: "grant" | "revoke", { kind, privileges, roles, objects }: Rights): Step {
  const what = `${privileges.join(", ")} on ${keywords[kind]}${objects.map(quoteObject[kind]).join(", ")}`;
  return step(`${verb} ${what} ${verb === "grant" ? "to" : "from"} ${roles.join(", ")}`);
}

const keywords = { database: "database ", schema: "schema ", relation: "", function: "function " } as const;

const quoteObject: Readonly<Record<Rights["kind"], (name: string) => string>> = {
  database: quoteIdentifier,
  schema: quoteIdentifier,
  relation: (name) => name.split(".").map(quoteIdentifier).join("."),
  function: (name) => name,
};

function step(sql: string): Step {
  const what = sql.length > 90 ? `${sql.slice(0, 89)}…` : sql;
  return { what, sql, lock: noLock, duration: "milliseconds: catalog only" };
}
