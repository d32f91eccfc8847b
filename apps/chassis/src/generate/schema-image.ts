import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { QuartetError } from "../error/quartet-error.ts";
import { findPackageLayout } from "./package-layout.ts";
import type { Project } from "./project.ts";
import { runBuf } from "./run-buf.ts";
import { stageProtos } from "./stage-protos.ts";

/** buf's configuration for staged protos. JSON at rest: a rename breaks stored rows as surely as the wire. */
const bufConfig = {
  version: "v2",
  lint: {
    use: ["STANDARD"],
    except: [
      "SERVICE_SUFFIX",
      "RPC_REQUEST_STANDARD_NAME",
      "RPC_RESPONSE_STANDARD_NAME",
      "RPC_REQUEST_RESPONSE_UNIQUE",
    ],
  },
  breaking: {
    use: [
      "WIRE_JSON",
      "RPC_NO_DELETE",
      "PACKAGE_MESSAGE_NO_DELETE",
      "PACKAGE_ENUM_NO_DELETE",
      "PACKAGE_SERVICE_NO_DELETE",
      "PACKAGE_EXTENSION_NO_DELETE",
      "PACKAGE_NO_DELETE",
    ],
  },
};

/** The outcome of one check. */
export interface SchemaFinding {
  readonly check: "lint" | "breaking";
  /** buf's own words: file, line, rule. */
  readonly output: string;
}

/**
 * Checks a project's protos: buf lint, and buf breaking against the committed image of what was released.
 *
 * @throws QuartetError `failed_precondition` when there is no image to compare with.
 */
export async function checkSchema(project: Project): Promise<readonly SchemaFinding[]> {
  const { stage, own } = await stageForBuf(project);
  const only = own.flatMap((path) => ["--path", path]);
  const findings: SchemaFinding[] = [];
  const lint = await runBuf(["lint", ".", ...only], stage);
  if (lint.exitCode !== 0) findings.push({ check: "lint", output: lint.output });
  if (!existsSync(project.image)) {
    throw new QuartetError("failed_precondition", `There is no schema image at ${project.image}.`, {
      fix: "Record the released schema and commit it: quartet check --record",
    });
  }
  const breaking = await runBuf(
    ["breaking", ".", "--against", project.image, "--exclude-imports", ...only],
    stage,
  );
  if (breaking.exitCode !== 0) findings.push({ check: "breaking", output: breaking.output });
  return findings;
}

/** Writes the image that later checks compare with. */
export async function recordSchema(project: Project): Promise<void> {
  const { stage } = await stageForBuf(project);
  const built = await runBuf(["build", ".", "-o", project.image, "--exclude-source-info"], stage);
  if (built.exitCode !== 0) {
    throw new QuartetError("invalid_argument", `The protos do not compile:\n${built.output}`);
  }
}

async function stageForBuf(project: Project): Promise<{ stage: string; own: readonly string[] }> {
  const stage = join(project.stateDir, "check");
  const own = await stageProtos({ protos: project.protos, imports: findPackageLayout().protoRoots }, stage);
  await writeFile(join(stage, "buf.yaml"), JSON.stringify(bufConfig));
  return { stage, own };
}
