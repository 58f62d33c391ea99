import type { Path } from './problem.js';
import { suggestion } from './problem.js';
import type { ModelConfig, SluiceConfig } from './sluice.schema.js';

export type Report = (path: Path, message: string) => void;

/** What one part of sluice.yaml says about another: names that must exist, once each, and make sense together. */
export function checkSluice(config: SluiceConfig, report: Report): void {
  const models = config.models.map((model) => model.id);
  const routes = ['auto', ...models, ...config.ensembles.map((ensemble) => ensemble.id)];
  checkIds(config, report);
  checkModels(config, models, report);
  config.ensembles.forEach((ensemble, i) =>
    ensemble.models.forEach((model, j) =>
      mustBe(model, models, ['ensembles', i, 'models', j], report),
    ),
  );
  mustBe(config.routing.default, routes, ['routing', 'default'], report);
  checkRouting(config, report);
  checkExperiments(config, models, report);
  checkCache(config, models, routes, report);
  for (const [name, embedder] of Object.entries(config.embedders)) {
    if (embedder.kind !== 'openai') continue;
    const openai = config.providers.filter((provider) => provider.kind === 'openai');
    const ids = openai.map((provider) => provider.id);
    mustBe(embedder.provider, ids, ['embedders', name, 'provider'], report);
  }
}

/** Reports `name` unless it is one of `known`. */
export function mustBe(name: string, known: readonly string[], path: Path, report: Report): void {
  if (known.includes(name)) return;
  const list = known.length === 0 ? 'nothing is defined' : `allowed: ${known.join(', ')}`;
  report(path, `found "${name}"; ${list}${suggestion(name, known)}`);
}

/** Reports a smaller window that allows more than a larger one: it could never be reached. */
export function mustNotExceed(
  [smaller, larger]: readonly [number | undefined, number | undefined],
  [path, largerName]: readonly [Path, string],
  report: Report,
): void {
  if (smaller === undefined || larger === undefined || smaller <= larger) return;
  report(
    path,
    `found ${String(smaller)}; allowed: at most the ${String(larger)} of ${largerName}, which contradicts it`,
  );
}

function checkIds(config: SluiceConfig, report: Report): void {
  const unique = (list: 'providers' | 'models' | 'ensembles' | 'experiments', taken: Set<string>) =>
    config[list].forEach(({ id }, i) => {
      if (taken.has(id)) {
        report([list, i, 'id'], `found "${id}" again; allowed: an id that is not taken`);
      }
      taken.add(id);
    });
  unique('providers', new Set());
  unique('experiments', new Set());
  // One name space: a request names either in its `model` field, and `auto` means the router.
  const names = new Set(['auto']);
  unique('models', names);
  unique('ensembles', names);
}

function checkModels(config: SluiceConfig, models: readonly string[], report: Report): void {
  const providers = new Map(config.providers.map((provider) => [provider.id, provider.kind]));
  config.models.forEach((model, i) => {
    const at = (...rest: Path): Path => ['models', i, ...rest];
    mustBe(model.provider, [...providers.keys()], at('provider'), report);
    const others = models.filter((id) => id !== model.id);
    model.fallbacks.forEach((id, j) => mustBe(id, others, at('fallbacks', j), report));
    if (model.hybrid !== undefined) {
      mustBe(model.hybrid, others, at('hybrid'), report);
      const kind = providers.get(model.provider);
      if (kind !== undefined && kind !== 'mcp') {
        report(at('hybrid'), `found on a model of kind ${kind}; allowed: on models of kind mcp`);
      }
    }
    mustNotExceed(
      [model.maxOutputTokens, model.contextTokens],
      [at('maxOutputTokens'), 'contextTokens'],
      report,
    );
    checkPrices(model, at('price'), report);
  });
}

function checkPrices(model: ModelConfig, path: Path, report: Report): void {
  if (!Array.isArray(model.price)) return;
  const dates = new Set<string>();
  model.price.forEach(({ from }, i) => {
    if (dates.has(from))
      report([...path, i, 'from'], `found "${from}" again; allowed: one price a date`);
    dates.add(from);
  });
}

function checkRouting({ routing }: SluiceConfig, report: Report): void {
  if (Object.values(routing.weights).every((weight) => weight === 0)) {
    report(['routing', 'weights'], 'found only zeros; expected at least one weight above 0');
  }
  const grades = new Map<string, string>();
  for (const [grade, words] of Object.entries(routing.keywords)) {
    words.forEach((word, i) => {
      const key = word.trim().toLowerCase();
      const other = grades.get(key) ?? grade;
      grades.set(key, other);
      if (other === grade) return;
      report(
        ['routing', 'keywords', grade, i],
        `found "${word}", which is a keyword of ${other}, too; allowed: one grade a keyword`,
      );
    });
  }
  mustNotExceed(
    [routing.breaker.reset, routing.breaker.maxReset],
    [['routing', 'breaker', 'reset'], 'maxReset (milliseconds)'],
    report,
  );
}

function checkExperiments(config: SluiceConfig, models: readonly string[], report: Report): void {
  const arms = ['routed', ...models.map((id) => `model:${id}`)];
  config.experiments.forEach((experiment, i) => {
    const at = (...rest: Path): Path => ['experiments', i, ...rest];
    for (const arm of Object.keys(experiment.split)) mustBe(arm, arms, at('split', arm), report);
    const sum = Object.values(experiment.split).reduce((total, share) => total + share, 0);
    if (Math.abs(sum - 1) > 1e-6) {
      report(at('split'), `found shares that add up to ${String(sum)}; expected 1`);
    }
    if (experiment.shadow !== undefined) {
      mustBe(experiment.shadow.model, models, at('shadow', 'model'), report);
    }
  });
}

function checkCache(
  { cache, embedders }: SluiceConfig,
  models: readonly string[],
  routes: readonly string[],
  report: Report,
): void {
  const { embedder, judge } = cache.semantic;
  mustBe(embedder, Object.keys(embedders), ['cache', 'semantic', 'embedder'], report);
  if (judge !== undefined) mustBe(judge, models, ['cache', 'semantic', 'judge'], report);
  cache.warming.queries.forEach(({ model }, i) =>
    mustBe(model, routes, ['cache', 'warming', 'queries', i, 'model'], report),
  );
}
