import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Runtime } from "../../command/runtime.ts";
import { toQuartetError } from "../../error/problem.ts";
import type { QuartetError } from "../../error/quartet-error.ts";
import { rpcNumberOf } from "../../error/rpc-number.ts";
import { createConnectHandler } from "../connect-routes.ts";
import { defaultTimeoutMs } from "../deadline.ts";
import type { Admission } from "./admission.ts";
import { guardRequest } from "./guard-request.ts";
import { laneOf } from "./lane-of.ts";
import { limitBody } from "./limit-body.ts";

/** The handler of the gRPC listener. It shares the process' places with HTTP/1.1. */
export function createGrpcHandler(
  runtime: Runtime & { readonly admission: Admission },
): (request: Http2ServerRequest, response: Http2ServerResponse) => void {
  const { admission } = runtime;
  const timeoutMs = defaultTimeoutMs[runtime.found.serviceClass];
  const handle = createConnectHandler(runtime);
  return (request, response) => {
    const lane = laneOf(runtime.domain, request);
    guardRequest({ admission, lane, defaultTimeoutMs: timeoutMs }, request.headers, response).then(
      (deadlineMs) => {
        limitBody(request, deadlineMs, (error) => refuseBody(response, error));
        handle(request, response);
      },
      (error: unknown) => refuse(response, error),
    );
  };
}

/** An answer does not end a stream whose other side has not: its client would keep the place until it pleases to go. */
function refuseBody(response: Http2ServerResponse, error: QuartetError): void {
  const { stream } = response;
  if (stream.writableFinished) stream.close();
  else stream.once("finish", () => stream.close());
  refuse(response, error);
}

/** gRPC over HTTP/2, "Trailers-Only": one frame of headers, which ends the stream. */
function refuse(response: Http2ServerResponse, thrown: unknown): void {
  if (response.destroyed || response.headersSent) return;
  const error = toQuartetError(thrown);
  response.writeHead(200, {
    "content-type": "application/grpc",
    "grpc-status": String(rpcNumberOf(error.code)),
    "grpc-message": encodeURIComponent(error.message),
  });
  response.end();
}
