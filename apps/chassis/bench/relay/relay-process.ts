import { serveRelay } from "../harness/serve-relay.ts";
import { benchDomain, benchSecret } from "./bench-domain.ts";

serveRelay(benchDomain, benchSecret);
