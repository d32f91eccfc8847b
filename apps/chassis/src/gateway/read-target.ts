import { QuartetError } from "../error/quartet-error.ts";

/** What a request is for. */
export interface RequestTarget {
  /** As it came, escapes included; begins with a slash, or is `*`. */
  readonly path: string;
  /** Path and query: what goes on to the class. */
  readonly origin: string;
}

/** RFC 9112, section 3.2.2: a server takes this form too. Whose authority it names is not asked, as of the Host header. */
const absoluteForm = /^https?:\/\/[^/?#]*/i;

/**
 * What two readers of a path take for different places: segments `.` and `..`, escaped or not, which one resolves and
 * another matches; a backslash, which URL parsers take for a slash; and a fragment, which no target has.
 */
const ambiguous = /[\\#]|(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)/i;

/**
 * Reads a request target, so that the method whose route is taken is the method that the class will run.
 *
 * @throws QuartetError `invalid_argument` for a path that a class could read in another way.
 */
export function readTarget(url: string | undefined): RequestTarget {
  const origin = (url ?? "/").replace(absoluteForm, "");
  const path = origin.split("?", 1)[0] || "/";
  if (ambiguous.test(path)) {
    throw new QuartetError("invalid_argument", "The path holds a dot segment, a backslash or a fragment.", {
      field: "path",
      fix: "Send the path as a URL parser prints it, and what stands for itself escaped: %5C, %23.",
    });
  }
  return { path, origin: origin.startsWith("/") || origin === "*" ? origin : `/${origin}` };
}
