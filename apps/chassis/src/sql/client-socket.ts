import type { Duplex } from "node:stream";
import type { ClientBase } from "pg";

/** The socket of a connection, which pg's types do not declare. Undefined where there is none to be reached. */
export function socketOf(client: ClientBase): Duplex | undefined {
  return (client as { readonly connection?: { readonly stream?: Duplex } }).connection?.stream;
}
