import type { RateWindow } from '../src/rate-window.js';

export const windows = (minute: number, hour: number): readonly RateWindow[] => [
  { name: 'minute', limit: minute, windowMs: 60_000 },
  { name: 'hour', limit: hour, windowMs: 3_600_000 },
];
