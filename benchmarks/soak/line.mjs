// A line through measurements over time.

/** Least squares of `field` over `hour`: its slope per hour and the slope's standard error. */
export function line(samples, field) {
  const n = samples.length;
  if (n < 3) return { perHour: null, error: null };
  const mean = (of) => samples.reduce((sum, sample) => sum + of(sample), 0) / n;
  const [x, y] = [mean((s) => s.hour), mean((s) => s[field])];
  const spread = samples.reduce((sum, s) => sum + (s.hour - x) ** 2, 0);
  const slope = samples.reduce((sum, s) => sum + (s.hour - x) * (s[field] - y), 0) / spread;
  const rest = samples.reduce((sum, s) => sum + (s[field] - y - slope * (s.hour - x)) ** 2, 0);
  const two = (value) => Math.round(value * 100) / 100;
  return { perHour: two(slope), error: two(Math.sqrt(rest / (n - 2) / spread)) };
}

/** The sample with the least `field` of each `hours`: a heap that was just collected. */
export function leastOfEach(samples, hours, field) {
  const least = new Map();
  for (const sample of samples) {
    const slot = Math.floor(sample.hour / hours);
    const known = least.get(slot);
    if (known === undefined || sample[field] < known[field]) least.set(slot, sample);
  }
  return [...least.values()];
}
