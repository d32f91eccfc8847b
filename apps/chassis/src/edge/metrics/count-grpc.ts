import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Domain } from "../../service/domain.ts";
import { CountedRequest, type RequestMetrics } from "./request-metrics.ts";

type GrpcHandler = (request: Http2ServerRequest, response: Http2ServerResponse) => void;

/** HTTP statuses of `google.rpc.Code`, by number: so that calls are counted alike on all surfaces. */
const statuses = [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401];
const statusHeader = "grpc-status";

/** Counts the calls of the gRPC listener, by method and the HTTP status that their gRPC status stands for. */
export function countGrpc(metrics: RequestMetrics, domain: Domain, handle: GrpcHandler): GrpcHandler {
  return (request, response) => {
    const counted = new CountedRequest();
    const name = (request.url.split("?", 1)[0] ?? "").slice(1);
    if (domain.methods.has(name)) counted.name = name;
    const ending = watchEnd(response);
    response.once("close", () => metrics.end(counted, String(ending())));
    handle(request, response);
  };
}

/** A call ends with a status in its trailers; one that failed at once, with one in its head. */
function watchEnd(response: Http2ServerResponse): () => number {
  let trailed: unknown;
  // Later it is no longer to be had.
  const { stream } = response;
  const addTrailers = response.addTrailers.bind(response);
  response.addTrailers = (trailers) => {
    trailed = trailers[statusHeader];
    addTrailers(trailers);
  };
  return () => {
    // When the client has gone, response and stream say that they are finished, too.
    if (!response.writableEnded || stream.aborted) return 499;
    const number = trailed ?? response.getHeader(statusHeader);
    return number === undefined ? response.statusCode : (statuses[Number(number)] ?? 500);
  };
}
