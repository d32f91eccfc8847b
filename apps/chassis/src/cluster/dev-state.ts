import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** What a local cluster keeps between runs beside its data. The file can be read by its owner alone. */
export interface DevState {
  /** `QUARTET_SECRET` of all its processes. */
  readonly secret: string;
  /** Password of its logins. */
  readonly password: string;
  /** Ports by process name. */
  readonly ports: Readonly<Record<string, number>>;
  /** Environment of commands that look at the cluster, such as `quartet doctor`. */
  readonly operator?: Readonly<Record<string, string>>;
  /** Environment of commands that write its main database, such as `quartet flags set`. */
  readonly writer?: Readonly<Record<string, string>>;
}

export async function readDevState(stateDir: string): Promise<DevState> {
  const kept = await readFile(join(stateDir, "dev.json"), "utf8").catch(() => undefined);
  const state = kept === undefined ? undefined : parseState(kept);
  return (
    state ?? {
      secret: `whsec_${randomBytes(32).toString("base64")}`,
      password: randomBytes(18).toString("base64url"),
      ports: {},
    }
  );
}

export async function writeDevState(stateDir: string, state: DevState): Promise<void> {
  await mkdir(stateDir, { recursive: true });
  await writeFile(join(stateDir, "dev.json"), JSON.stringify(state, null, 2), { mode: 0o600 });
}

/** A file cut off by a crash is as good as none. */
function parseState(text: string): DevState | undefined {
  try {
    const { secret, password, ports, operator, writer } = JSON.parse(text) as Partial<DevState>;
    if (!secret || !password || !ports) return undefined;
    return {
      secret,
      password,
      ports,
      ...(operator === undefined ? {} : { operator }),
      ...(writer === undefined ? {} : { writer }),
    };
  } catch {
    return undefined;
  }
}
