// The settings in which the gateway is measured, and the requests that bring them about.
const PROMPT =
  'Summarise in one sentence why a gateway in front of language models should be fast. Call number ';

/** Which behaviour of the upstream each model stands for; see upstream.mjs. */
const PROFILES = { bench: '', fixed: '/fixed', sampled: '/sampled', paced: '/paced' };

const provider = (url) => (name) =>
  `  - { id: ${name}, kind: openai, baseUrl: "${url}${PROFILES[name]}/v1", auth: none, maxConcurrent: 512 }`;
const model = (id, from, grade, price) =>
  `  - { id: ${id}, provider: ${from}, upstream: bench, grade: ${grade}, price: { ${price} }, contextTokens: 128000, maxOutputTokens: 4096, capabilities: [tools, json] }`;

export const configYaml = (upstreamUrl) =>
  [
    'providers:',
    ...Object.keys(PROFILES).map(provider(upstreamUrl)),
    'models:',
    model('bench', 'bench', 'simple', 'input: 0.15, output: 0.60'),
    model('bench-large', 'bench', 'complex', 'input: 3, output: 15'),
    // Too dear for `auto` to choose: its calls go where those of the other settings go.
    ...['fixed', 'sampled', 'paced'].map((name) =>
      model(name, name, 'complex', 'input: 30, output: 150'),
    ),
    '',
  ].join('\n');

/** Every kind of limit is on, and none of them is reached. */
export const policiesYaml = `
tiers:
  anonymous: { requests: { perHour: 1000000000, burstPerMinute: 1000000000 } }
  bench: { requests: { perHour: 1000000000, burstPerMinute: 1000000000 }, tokens: { perDay: 1000000000000, perMonth: 1000000000000 }, budget: { monthlyUsd: 1000000 }, priority: 1 }
  admin: { priority: 3 }
system: { budget: { monthlyUsd: 10000000 } }
`;

const chat = (text, extra = {}) =>
  JSON.stringify({
    model: 'bench',
    messages: [{ role: 'user', content: text }],
    max_tokens: 256,
    ...extra,
  });

let unique = Date.now();
const fresh = (extra) => () => chat(different(unique++), extra);
/** Apart by a name alone: what the semantic cache finds near, reads, and must refuse. Other numbers it would not even find. */
const near = () => chat(PROMPT.replace('. Call number ', `, for ${nameOf(unique++)}.`));

const WORDS =
  `harbour violin granite pepper satellite orchard ledger comet bakery glacier piston meadow turbine lantern walrus
  canvas thunder saddle copper monsoon library anchor beetle furnace prairie compass velvet engine dolphin quarry
  puzzle cathedral mosquito railway ginger planet carpet volcano hammer islet penguin reactor pottery cactus bridge
  tobacco tunnel falcon marble syrup theatre lichen magnet oyster parliament rocket sapphire tractor umbrella vaccine
  waterfall xylophone yeast zeppelin`.split(/\s+/);
/**
 * A question of the length of {@link PROMPT} that has no word in common with another: invented words, another dozen for each number.
 * Nothing that is stored is near it; the number itself is not in it, as texts that say other numbers are told apart without a look-up.
 */
function different(number) {
  // mulberry32
  let seed = number | 0;
  const random = (below) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
  const syllable = () => 'bdfgklmnprstvz'[random(14)] + 'aeiou'[random(5)];
  const word = () => Array.from({ length: 2 + random(3) }, syllable).join('');
  return `${Array.from({ length: 14 }, word).join(' ')}?`;
}

/** Another one for each of 262,144 numbers in a row. */
function nameOf(number) {
  return [number, number >> 6, number >> 12]
    .map((n) => WORDS[n & 63])
    .map((word) => word[0].toUpperCase() + word.slice(1))
    .join(' ');
}

export const bodies = {
  fixed: () => chat(PROMPT),
  unique: fresh(),
  near,
  stream: fresh({ stream: true }),
  /** A stream that lasts long enough to be left in the middle. */
  left: fresh({ model: 'paced', stream: true }),
  auto: fresh({ model: 'auto' }),
  /** The same words with other casing and punctuation: never the same bytes, always the same question. */
  rephrased: () => {
    const i = unique++;
    const words = 'how do i reset the password of my account on this site please'.split(' ');
    const shout = i & 0xfff;
    return chat(
      words.map((w, k) => ((shout >> k) & 1 ? w.toUpperCase() : w)).join(' ') +
        '?'.repeat(1 + (i % 3)),
    );
  },
};

const forwarder = { yardstick: 'forwarder', path: '/v1/chat/completions' };
const fixedRoute = { yardstick: 'static', path: '/static' };

/**
 * name → how to ask. `x-sluice-cache` is a public switch of the gateway. With `peer`, a peer can do the same.
 * `hits`: all but the first are answered from the cache, else none. Settings with a `rate` have an upstream that takes its time: they are measured in an open loop at that rate alone.
 */
export const SETTINGS = [
  {
    name: 'pass-through',
    body: bodies.unique,
    headers: { 'x-sluice-cache': 'off' },
    peer: true,
    ...forwarder,
  },
  { name: 'governed miss', body: bodies.unique, peer: true, ...forwarder },
  { name: 'miss among near questions', body: bodies.near, ...forwarder },
  { name: 'auto', body: bodies.auto, ...forwarder },
  // Without the peer: version 1.15.2 answers 500 to every stream under Node 24 ("TypeError: immutable" on its headers).
  { name: 'stream', body: bodies.stream, ...forwarder },
  { name: 'exact hit', body: bodies.fixed, hits: true, ...fixedRoute },
  { name: 'semantic hit', body: bodies.rephrased, hits: true, ...fixedRoute },
  {
    name: 'miss, upstream 20 ms',
    body: fresh({ model: 'fixed' }),
    rate: 100,
    ...forwarder,
    path: '/fixed/v1/chat/completions',
  },
  {
    name: 'miss, upstream sampled',
    body: fresh({ model: 'sampled' }),
    rate: 100,
    ...forwarder,
    path: '/sampled/v1/chat/completions',
  },
  {
    name: 'stream, 200 tokens/s',
    body: fresh({ model: 'paced', stream: true }),
    rate: 50,
    ...forwarder,
    path: '/paced/v1/chat/completions',
  },
];
