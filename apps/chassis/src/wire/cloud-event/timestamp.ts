const RFC3339 =
  /^(\d{4})-(\d{2})-(\d{2})[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,30})?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/;

/**
 * Whether a text is a time by RFC 3339, section 5.6, on a day that exists. Leap seconds (`:60`) are refused: neither
 * `Date` nor protobuf's Timestamp has such an instant, and none is to come.
 */
export function isTimestamp(text: string): boolean {
  const parts = RFC3339.exec(text);
  if (parts === null) return false;
  const [year, month, day] = parts.slice(1, 4).map(Number);
  if (year === undefined || month === undefined || day === undefined) return false;
  return month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month);
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}
