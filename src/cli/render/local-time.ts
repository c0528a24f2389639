/** A moment as the clock on the wall shows it, with its offset from UTC: `2026-11-27 12:00:03 +01:00`. */
export function localTime(moment: Date): string {
  const date = [moment.getFullYear(), moment.getMonth() + 1, moment.getDate()].map(two).join('-');
  const time = [moment.getHours(), moment.getMinutes(), moment.getSeconds()].map(two).join(':');
  const east = -moment.getTimezoneOffset();
  const offset = [Math.trunc(Math.abs(east) / 60), Math.abs(east) % 60].map(two).join(':');
  return `${date} ${time} ${east < 0 ? '-' : '+'}${offset}`;
}

/** As `Date.toISOString` writes it, which is how every time is kept in this program. */
const UTC = /\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g;

/** A text for people: every time in it that is in UTC as local time. */
export function withLocalTimes(text: string): string {
  return text.replace(UTC, (time) => {
    const moment = new Date(time);
    return Number.isNaN(moment.getTime()) ? time : localTime(moment);
  });
}

function two(number: number): string {
  return String(number).padStart(2, '0');
}
