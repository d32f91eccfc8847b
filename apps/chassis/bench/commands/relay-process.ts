import { serveRelay } from "../harness/serve-relay.ts";
import { benchSecret } from "../relay/bench-domain.ts";
import { noteDomain } from "./note-domain.ts";

serveRelay(noteDomain, benchSecret);
