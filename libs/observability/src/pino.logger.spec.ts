import { describe, expect, it } from '@jest/globals';
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { destination } from 'pino';
import { NestLogger } from './nest.logger.js';
import { PinoLogger } from './pino.logger.js';

function capture(level: 'trace' | 'info' = 'trace', secrets: string[] = []) {
  const lines: string[] = [];
  const logger = new PinoLogger({ level, secrets, sink: { write: (line) => lines.push(line) } });
  return { logger, lines, last: () => JSON.parse(lines.at(-1) ?? '{}') };
}

const CANARIES = [
  'sk-sluice-CANARYcanary0123456789abcdefghijklmnopqrstuv',
  'sk-proj-CANARYcanary_0123456789',
  'sk-ant-api03-CANARYcanary-0123456789',
  'AIzaCANARYcanary0123456789abcdefghij',
  'AKIACANARYCANARY1234',
  'gsk_CANARYcanary0123456789',
  'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJDQU5BUlkifQ.CANARYcanary-signature_0',
];
/** Has no known shape: found only because the environment names it. */
const EXACT = 'correct "horse" battery\\staple';

describe('the log', () => {
  it('is one JSON object a line with time, level, message and the fields given', () => {
    const { logger, lines, last } = capture();
    logger.info({ call: 'c1', status: 200 }, 'call ended');
    expect(lines).toHaveLength(1);
    expect(last()).toMatchObject({ level: 'info', call: 'c1', status: 200, msg: 'call ended' });
    expect(new Date(last().time).getTime()).toBeGreaterThan(Date.now() - 5000);
  });

  it('has each name once: fields cannot be called like what every line has', () => {
    const { logger, last } = capture();
    // @ts-expect-error the compiler refuses a second level: readers of JSON keep the last one
    logger.info({ level: 'full' }, 'routed');
    // @ts-expect-error and a second process id
    logger.info({ pid: 1 }, 'started');
    logger.info({ routingLevel: 'full' }, 'routed');
    expect(last()).toMatchObject({ level: 'info', routingLevel: 'full', pid: process.pid });
  });

  it('keeps below its level to itself', () => {
    const { logger, lines } = capture('info');
    logger.trace({}, 'no');
    logger.debug({}, 'no');
    logger.warn({}, 'yes');
    logger.fatal({}, 'yes');
    expect(lines).toHaveLength(2);
    expect(logger.isLevelEnabled('debug')).toBe(false);
    expect(logger.isLevelEnabled('info')).toBe(true);
  });

  it.each([...CANARIES, EXACT])('never lets %s out, wherever it stands', (canary) => {
    const { logger, lines } = capture('trace', [EXACT]);
    const error = new Error(`upstream said: bad key ${canary}`, {
      cause: new Error(`inner ${canary}`),
    });
    Object.assign(error, { code: canary, request: { headers: { authorization: canary } } });
    logger.info({ note: canary }, 'in a field');
    logger.info({ deep: [{ nested: { list: [canary, `x ${canary},y`] } }] }, 'deep');
    logger.info({ [canary]: 1 }, 'as a key');
    logger.warn({ url: `https://api.example/v1?key=${encodeURIComponent(canary)}` }, 'in a URL');
    logger.error({ err: error }, `in an error and the message ${canary}`);
    logger.info({ body: JSON.stringify({ apiKey: canary, text: canary }) }, 'in a JSON text');
    new NestLogger(logger).error(`from Nest ${canary}`, error.stack, 'Context');
    const output = lines.join('');
    expect(lines).toHaveLength(7);
    expect(output).not.toContain(canary);
    expect(output).not.toContain(JSON.stringify(canary).slice(1, -1));
    for (const line of lines) expect(() => void JSON.parse(line)).not.toThrow();
  });

  it.each([
    ['authorization', 'Bearer plainTokenWithoutShape'],
    ['Authorization', 'Basic dXNlcjpwYXNz'],
    ['x-api-key', 'plainTokenWithoutShape'],
    ['api-key', 'plainTokenWithoutShape'],
    ['apiKey', 'plainTokenWithoutShape'],
    ['cookie', 'session=plainTokenWithoutShape'],
    ['password', 'pass"word\\'],
  ])('hides the value of %s whatever it is', (name, value) => {
    const { logger, lines, last } = capture();
    logger.info({ headers: { [name]: value, accept: 'text/plain' } }, 'request');
    logger.info({ raw: JSON.stringify({ [name]: value }) }, 'request');
    expect(lines.join('')).not.toContain(value.split(' ').at(-1)?.slice(0, 6));
    expect(JSON.parse(lines[0] ?? '').headers.accept).toBe('text/plain');
    expect(last().msg).toBe('request');
  });

  it('hides the user and password of a URL', () => {
    const { logger, last } = capture();
    logger.info({ url: 'postgres://app:hunter22@db:5432/sluice' }, 'connected');
    expect(last().url).toBe('postgres://***@db:5432/sluice');
  });

  it('leaves ordinary text alone', () => {
    const { logger, last } = capture();
    const text = 'a task-oriented risk-free model gpt-4o-mini at https://api.openai.com/v1?limit=5';
    logger.info({ text, tokens: 12, keyId: 'k1' }, 'ok');
    expect(last()).toMatchObject({ text, tokens: 12, keyId: 'k1' });
  });

  it('hides what it is told later', () => {
    const { logger, last } = capture();
    logger.hide(['late-secret-value', '']);
    logger.info({ text: 'a late-secret-value here' }, 'ok');
    expect(last().text).toBe('a *** here');
  });

  it('writes an error with its cause but without the objects that hang on it', () => {
    const { logger, last } = capture();
    const error = Object.assign(new TypeError('outer', { cause: 'why' }), {
      code: 'ECODE',
      response: { body: 'the whole prompt' },
    });
    logger.error({ err: error }, 'failed');
    expect(last().err).toMatchObject({ type: 'TypeError', message: 'outer', code: 'ECODE' });
    expect(last().err.cause).toBe('why');
    expect(JSON.stringify(last())).not.toContain('the whole prompt');
  });

  it('has written every line once it is flushed, though it writes asynchronously', async () => {
    const file = join(await mkdtemp(join(tmpdir(), 'sluice-log-')), 'log');
    const sink = destination({ dest: file, sync: false, minLength: 1 });
    const logger = new PinoLogger({ level: 'info', sink });
    for (let i = 0; i < 1000; i++) logger.info({ i }, 'line');
    await logger.flush();
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
    expect(lines).toHaveLength(1000);
    logger.info({}, 'last words');
    logger.flushSync();
    expect(await readFile(file, 'utf8')).toContain('last words');
    sink.end();
  });

  it('needs no flush when its sink has none', async () => {
    const { logger } = capture();
    await expect(logger.flush()).resolves.toBeUndefined();
    logger.flushSync();
  });
});

describe("Nest's messages", () => {
  it('become lines with the speaker as context', () => {
    const { logger, lines, last } = capture();
    const nest = new NestLogger(logger);
    nest.log('mapped', 'RoutesResolver');
    expect(last()).toMatchObject({ level: 'debug', context: 'RoutesResolver', msg: 'mapped' });
    nest.warn(new Error('careful'));
    expect(last()).toMatchObject({ level: 'warn', msg: 'careful', err: { message: 'careful' } });
    nest.debug({ some: 'object' });
    expect(last().msg).toBe('{"some":"object"}');
    nest.verbose('detail');
    expect(last().level).toBe('trace');
    nest.fatal('end');
    expect(last().level).toBe('fatal');
    expect(lines).toHaveLength(5);
  });
});
