import type { ServerResponse } from "node:http";
import type { ProblemBody } from "../error/problem.ts";
import type { Problem } from "../gen/quartet/v1/problem_pb.ts";

/**
 * Answers with the problem that an operation ended with, byte for byte as `sendProblem` answered the first client,
 * whatever this build's table of errors says of its code.
 */
export function sendStoredProblem(response: ServerResponse, problem: Problem): void {
  const status = problem.status >= 400 && problem.status <= 599 ? problem.status : 500;
  response.writeHead(status, { "Content-Type": "application/problem+json" });
  response.end(JSON.stringify(toProblemBody(problem, status)));
}

function toProblemBody({ type, title, detail, code, field, fix }: Problem, status: number): ProblemBody {
  return {
    type,
    title,
    status,
    detail,
    code,
    ...(field === "" ? {} : { field }),
    ...(fix === "" ? {} : { fix }),
  };
}
