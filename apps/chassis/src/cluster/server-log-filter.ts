/**
 * Lets through what a database server says of trouble, with the lines that belong to it, and nothing of its routine.
 * Servers log to prefixed lines such as `2026-11-21 07:45:10.178 UTC [28577] LOG:  …`; continuations begin with a tab.
 */
export function createServerLogFilter(): (server: string, line: string) => boolean {
  const shown = new Map<string, boolean>();
  return (server, line) => {
    const level =
      /\b(DEBUG\d?|LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC|DETAIL|HINT|CONTEXT|STATEMENT): {2}/.exec(
        line,
      )?.[1];
    if (level !== undefined && !/^(DETAIL|HINT|CONTEXT|STATEMENT)$/.test(level)) {
      shown.set(server, /^(WARNING|ERROR|FATAL|PANIC)$/.test(level));
    }
    return shown.get(server) ?? true;
  };
}
