import { inject } from "vitest";
import { useServerTemplate } from "./test-template.ts";

declare module "vitest" {
  export interface ProvidedContext {
    /** Folder of the data directories that servers of tests begin with. */
    readonly serverTemplate: string;
  }
}

useServerTemplate(inject("serverTemplate"));
