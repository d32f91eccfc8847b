import {
  Code,
  ConnectError,
  type ConnectRouter,
  type ConnectRouterOptions,
  type ContextValues,
  createConnectRouter,
  createContextKey,
  createContextValues,
} from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerResponse } from "@connectrpc/connect/protocol";
import {
  compressionBrotli,
  compressionGzip,
  type connectNodeAdapter,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";

/** Where an answer can be left that is printed already. */
interface PrintedAnswer {
  json: string | undefined;
}

const printedAnswer = createContextKey<PrintedAnswer>({ json: undefined });

/**
 * As `connectNodeAdapter`, which always prints what a method answers with: this one sends a text that {@link usePrinted}
 * has left instead, byte for byte, where JSON is what the client asked for.
 */
export function createConnectAdapter(
  options: ConnectRouterOptions & { readonly routes: (router: ConnectRouter) => void },
): ReturnType<typeof connectNodeAdapter> {
  const router = createConnectRouter({ acceptCompression: [compressionGzip, compressionBrotli], ...options });
  options.routes(router);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  return (request: NodeRequest, response: NodeResponse) => {
    const handler = handlers.get(request.url?.split("?", 1)[0] ?? "");
    if (handler === undefined) {
      response.writeHead(404);
      response.end();
      return;
    }
    answer(handler, request, response).catch((reason: unknown) => {
      // The client has gone: there is nobody to tell.
      if (ConnectError.from(reason).code !== Code.Aborted) response.destroy();
    });
  };
}

/** Has this text sent as the call's answer when it is sent as JSON. The message must still be returned. */
export function usePrinted(values: ContextValues, json: string): void {
  values.get(printedAnswer).json = json;
}

type NodeRequest = Parameters<ReturnType<typeof connectNodeAdapter>>[0];
type NodeResponse = Parameters<ReturnType<typeof connectNodeAdapter>>[1];

async function answer(
  handler: UniversalHandler,
  request: NodeRequest,
  response: NodeResponse,
): Promise<void> {
  const printed: PrintedAnswer = { json: undefined };
  const values = createContextValues().set(printedAnswer, printed);
  const made = await handler(universalRequestFromNodeRequest(request, response, undefined, values));
  await universalResponseToNodeResponse(withPrinted(made, printed), response);
}

function withPrinted(made: UniversalServerResponse, { json }: PrintedAnswer): UniversalServerResponse {
  if (json === undefined || made.status !== 200 || made.header?.get("content-type") !== "application/json") {
    return made;
  }
  const bytes = Buffer.from(json);
  const header = new Headers(made.header);
  header.delete("content-encoding");
  header.set("content-length", String(bytes.length));
  return { ...made, header, body: onlyOf(bytes) };
}

async function* onlyOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
