// node --import ./clock-step.mjs: the process believes in another time, as after an operator or NTP has set the clock.
// CLOCK_STEPS are milliseconds off the true time; the first holds from the start, each SIGUSR2 goes on to the next.
const steps = (process.env.CLOCK_STEPS ?? '0').split(',').map(Number);
const True = Date;
const now = () => True.now() + (steps[0] ?? 0);
process.on('SIGUSR2', () => {
  if (steps.length > 1) steps.shift();
});
globalThis.Date = new Proxy(True, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
  apply: () => new True(now()).toString(),
  get: (target, name, receiver) => (name === 'now' ? now : Reflect.get(target, name, receiver)),
});
