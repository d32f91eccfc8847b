// The edge's name for it: the inbox, which answers in hosts of others too, has no edge.
export { sendProblem } from "../wire/http/send-problem.ts";
