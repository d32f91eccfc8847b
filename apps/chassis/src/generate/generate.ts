import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { QuartetError } from "../error/quartet-error.ts";
import { findPackageLayout, type PackageLayout, type ProtoRoot } from "../project/package-layout.ts";
import type { Project } from "../project/project.ts";
import { runBuf } from "../project/run-buf.ts";
import { openStage } from "../project/stage-protos.ts";
import { faultError } from "../schema/table/fault-error.ts";
import { readFaults } from "./faults-file.ts";
import { fingerprintSources } from "./fingerprint.ts";

const esOptions = ["target=ts", "import_extension=ts", "erasable_syntax=true", "json_types=false"];
const chassisImports = [
  "map_imports=quartet/**:@quartet/chassis/gen",
  "map_imports=google/api/*:@quartet/chassis/gen",
];

/** What `generateCode` did. */
export interface Generation {
  /** False when the code on disk was already what the protos say. */
  readonly changed: boolean;
  readonly generated: string;
}

/**
 * Generates TypeScript from a domain's protos: messages and services with protoc-gen-es, and the Kysely types of its
 * pbtables with our own plugin. Does nothing when neither protos nor generator have changed since.
 *
 * @throws QuartetError `invalid_argument` with buf's own words (file, line, rule) when the protos do not compile, or with
 * file, line and reason of everything that keeps a message from being the table it wants to be. The code on disk stays
 * as it was.
 */
export async function generateCode(project: Project): Promise<Generation> {
  const layout = findPackageLayout();
  const plan: GenerationPlan = {
    layout,
    staging: { protos: project.protos, imports: layout.protoRoots },
    stateDir: project.stateDir,
    generated: project.generated,
    plugins: [esPlugin(chassisImports), { local: [process.execPath, layout.plugin], opt: ["target=ts"] }],
    paths: undefined,
  };
  return runGeneration(plan);
}

/** Generates the chassis' own messages (`quartet/v1`, `google/api`) in a checkout. A published chassis brings them. */
export async function generateChassisCode(): Promise<Generation> {
  const layout = findPackageLayout();
  return runGeneration({
    layout,
    staging: { protos: layout.protoRoots[0]?.root ?? "", imports: layout.protoRoots },
    stateDir: join(layout.root, ".quartet"),
    generated: join(layout.root, "src", "gen"),
    plugins: [esPlugin([])],
    paths: ["quartet", "google"],
  });
}

interface Plugin {
  readonly local: readonly string[];
  readonly opt?: readonly string[];
}

interface GenerationPlan {
  readonly layout: PackageLayout;
  readonly staging: { readonly protos: string; readonly imports: readonly ProtoRoot[] };
  /** Where protos are staged. */
  readonly stateDir: string;
  readonly generated: string;
  readonly plugins: readonly Plugin[];
  /** Folders to generate for. Undefined: those of the domain itself. */
  readonly paths: readonly string[] | undefined;
}

async function runGeneration(plan: GenerationPlan): Promise<Generation> {
  await using stage = await openStage(plan.staging, plan.stateDir);
  const paths = plan.paths ?? stage.own;
  if (paths.length === 0) {
    throw new QuartetError("failed_precondition", `There are no protos in ${plan.staging.protos}.`, {
      fix: 'Put them in folders named for their package, such as proto/shop/v1/orders.proto, or set "quartet": {"protos": …} in package.json.',
    });
  }
  const stamp = join(plan.generated, ".fingerprint");
  const fingerprint = await fingerprintSources(stage.folder, plan.layout);
  if ((await readFile(stamp, "utf8").catch(() => "")) === fingerprint) {
    return { changed: false, generated: plan.generated };
  }
  await mkdir(dirname(plan.generated), { recursive: true });
  const next = await mkdtemp(`${plan.generated}.next-`);
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rm(next, { recursive: true, force: true }));
  await generateInto(plan, stage.folder, paths, next);
  await writeFile(join(next, ".fingerprint"), fingerprint);
  await replaceFolder(plan.generated, next);
  return { changed: true, generated: plan.generated };
}

/** Puts one folder in the place of another. Of two that do so at once the last one wins; both have the same to say. */
async function replaceFolder(path: string, next: string): Promise<void> {
  const old = `${next}.old`;
  for (let attempt = 1; ; attempt++) {
    await rename(path, old).catch(() => undefined);
    await rm(old, { recursive: true, force: true });
    try {
      await rename(next, path);
      return;
    } catch (error) {
      if (attempt === 10) throw error;
    }
  }
}

async function generateInto(
  plan: GenerationPlan,
  stage: string,
  paths: readonly string[],
  out: string,
): Promise<void> {
  const template = {
    version: "v2",
    plugins: plan.plugins.map((plugin) => ({ ...plugin, out, strategy: "all" })),
  };
  const existing = paths.filter((path) => existsSync(join(stage, path)));
  const result = await runBuf(
    [
      "generate",
      ".",
      "--template",
      JSON.stringify(template),
      ...existing.flatMap((path) => ["--path", path]),
    ],
    stage,
  );
  if (result.exitCode !== 0) {
    throw new QuartetError("invalid_argument", `The protos do not compile:\n${result.output}`, {
      fix: "Mend the file and line named above.",
    });
  }
  const faults = await readFaults(out);
  if (faults.length > 0) throw faultError(faults);
}

function esPlugin(extra: readonly string[]): Plugin {
  const require = createRequire(import.meta.url);
  const manifest = require.resolve("@bufbuild/protoc-gen-es/package.json");
  return {
    local: [process.execPath, join(dirname(manifest), "bin", "protoc-gen-es")],
    opt: [...esOptions, ...extra],
  };
}
