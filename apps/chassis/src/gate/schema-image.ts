import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { QuartetError } from "../error/quartet-error.ts";
import { findPackageLayout } from "../project/package-layout.ts";
import type { Project } from "../project/project.ts";
import { runBuf } from "../project/run-buf.ts";
import { openStage, type Stage } from "../project/stage-protos.ts";

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
  await using stage = await openBufStage(project);
  const only = stage.own.flatMap((path) => ["--path", path]);
  const findings: SchemaFinding[] = [];
  const lint = await runBuf(["lint", ".", ...only], stage.folder);
  if (lint.exitCode !== 0) findings.push({ check: "lint", output: lint.output });
  if (!existsSync(project.image)) {
    throw new QuartetError("failed_precondition", `There is no schema image at ${project.image}.`, {
      fix: "Record the released schema and commit it: quartet check --record",
    });
  }
  const breaking = await runBuf(
    ["breaking", ".", "--against", project.image, "--exclude-imports", ...only],
    stage.folder,
  );
  if (breaking.exitCode !== 0) findings.push({ check: "breaking", output: breaking.output });
  return findings;
}

/** Writes the image that later checks compare with. */
export async function recordSchema(project: Project): Promise<void> {
  await using stage = await openBufStage(project);
  const built = await runBuf(["build", ".", "-o", project.image, "--exclude-source-info"], stage.folder);
  if (built.exitCode !== 0) {
    throw new QuartetError("invalid_argument", `The protos do not compile:\n${built.output}`);
  }
}

async function openBufStage(project: Project): Promise<Stage> {
  const staging = { protos: project.protos, imports: findPackageLayout().protoRoots };
  const stage = await openStage(staging, project.stateDir);
  await writeFile(join(stage.folder, "buf.yaml"), JSON.stringify(bufConfig));
  return stage;
}
