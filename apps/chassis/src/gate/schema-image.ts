import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { QuartetError } from "../error/quartet-error.ts";
import { findPackageLayout } from "../project/package-layout.ts";
import type { Project } from "../project/project.ts";
import { runBuf } from "../project/run-buf.ts";
import { openStage, type Stage } from "../project/stage-protos.ts";

/** The project's protos as an image with source info, in a file. Disposing removes it. */
export interface BuiltImage extends AsyncDisposable {
  readonly path: string;
  readonly bytes: Uint8Array;
  /** Top folders of the domain's own protos. */
  readonly own: readonly string[];
}

/** @throws QuartetError `invalid_argument` with buf's own words when the protos do not compile. */
export async function openBuiltImage(project: Project): Promise<BuiltImage> {
  const stage = await stageProject(project);
  try {
    const path = join(stage.folder, "image.binpb");
    await build(stage, ["-o", path]);
    const dispose = () => stage[Symbol.asyncDispose]();
    return { path, bytes: await readFile(path), own: stage.own, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await stage[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * Writes the image that later checks compare with.
 *
 * @throws QuartetError `invalid_argument` with buf's own words when the protos do not compile.
 */
export async function recordSchema(project: Project): Promise<void> {
  await using stage = await stageProject(project);
  await mkdir(dirname(project.image), { recursive: true });
  await build(stage, ["-o", project.image, "--exclude-source-info"]);
}

function stageProject(project: Project): Promise<Stage> {
  return openStage({ protos: project.protos, imports: findPackageLayout().protoRoots }, project.stateDir);
}

async function build(stage: Stage, args: readonly string[]): Promise<void> {
  const built = await runBuf(["build", ".", ...args], stage.folder);
  if (built.exitCode === 0) return;
  throw new QuartetError("invalid_argument", `The protos do not compile:\n${built.output}`, {
    fix: "Mend the file and line named above.",
  });
}
