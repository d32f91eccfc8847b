const colors = [36, 33, 35, 32, 34, 91, 96, 95, 92, 94];

/** Prefixes a line with the process it comes from. Fields of a JSON log line become `key=value` behind its message. */
export function formatLogLine(name: string, line: string, place: number, color: boolean): string {
  const prefix = `${name.padEnd(8)} │ `;
  const painted = color ? `\u001b[${colors[place % colors.length]}m${prefix}\u001b[0m` : prefix;
  return painted + (parseLog(line) ?? line);
}

function parseLog(line: string): string | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    const { msg, level, time: _time, name: _name, ...fields } = JSON.parse(line) as Record<string, unknown>;
    const rest = Object.entries(fields).map(([key, value]) => `${key}=${formatValue(value)}`);
    return [levelName(level), String(msg ?? ""), ...rest].filter((part) => part !== "").join(" ");
  } catch {
    return undefined;
  }
}

function levelName(level: unknown): string {
  const value = Number(level);
  return value >= 50 ? "ERROR" : value >= 40 ? "WARN" : "";
}

function formatValue(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "object" && value !== null && "message" in value && "stack" in value)
    return String(value.stack);
  return JSON.stringify(value);
}
