import { chmod, mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder for one test, which PostgreSQL can enter; removed when disposed. */
export interface TestFolder extends AsyncDisposable {
  readonly path: string;
}

/** Makes a {@link TestFolder} below the system's temporary folder. */
export async function openTestFolder(): Promise<TestFolder> {
  const path = await realpath(await mkdtemp(join(tmpdir(), "quartet-test-")));
  await chmod(path, 0o755);
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 5 }) };
}
