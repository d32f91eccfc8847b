import { fileURLToPath } from "node:url";
import trial from "./fixtures/trial/quartet.config.ts";
import { type Cluster, openCluster } from "./open-cluster.ts";

/** Folder of the domain whose handlers misbehave on request. */
export const trialFolder = fileURLToPath(new URL("fixtures/trial/", import.meta.url));

/** A cluster that runs it. */
export function openTrial(): Promise<Cluster> {
  return openCluster({ project: trialFolder, domain: trial.name });
}
