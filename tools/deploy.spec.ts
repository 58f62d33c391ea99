import { describe, expect, it } from '@jest/globals';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { parse } from 'yaml';
import { environmentSchema } from '@sluice/config';

const root = join(import.meta.dirname, '..');
const read = (name: string) => readFile(join(root, name), 'utf8');

interface Service {
  image?: string;
  build?: string;
  volumes?: string[];
  environment?: Record<string, string>;
  healthcheck?: { test: string[] };
  depends_on?: Record<string, { condition: string }>;
}

async function compose(): Promise<{ services: Record<string, Service>; volumes: object }> {
  return parse(await read('docker-compose.yml'), { merge: true });
}

/** Instructions with their continued lines joined: `[['FROM', 'x AS y'], …]`. */
async function dockerfile(): Promise<[string, string][]> {
  const text = (await read('Dockerfile')).replace(/\\\n\s*/g, '');
  return text
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .map((line) => {
      const [, name = '', rest = ''] = /^(\S+)\s+(.*)$/.exec(line) ?? [];
      return [name, rest];
    });
}

describe('docker-compose.yml', () => {
  it('is valid by the schema of the Compose specification', async () => {
    // An older draft, in which a schema is named by `id`.
    const { $schema: _draft, ...schema } = JSON.parse(
      await read('deploy/schema/compose-spec.json'),
      (key, value: unknown) => (key === 'id' && typeof value === 'string' ? undefined : value),
    );
    const validate = new Ajv({ strict: false, validateFormats: false }).compile(schema);
    validate(await compose());
    expect(validate.errors).toBeNull();
  });

  it('has every part of the house, each with a health check and a pinned image', async () => {
    const { services } = await compose();
    expect(Object.keys(services).sort()).toEqual(
      ['gateway', 'grafana', 'nginx', 'postgres', 'prometheus', 'qdrant', 'redis', 'worker'].sort(),
    );
    for (const [name, { healthcheck, image }] of Object.entries(services)) {
      expect([name, healthcheck?.test[0]]).toEqual([name, 'CMD']);
      expect([name, image]).toEqual([name, expect.stringMatching(/:v?\d/)]);
    }
  });

  it('mounts files that exist, names volumes that are declared, waits for services that are there', async () => {
    const { services, volumes } = await compose();
    for (const { volumes: mounts = [], depends_on: needs = {} } of Object.values(services)) {
      for (const mount of mounts) {
        const [source = ''] = mount.split(':');
        if (source.startsWith('./')) {
          const found = await read(source).catch(() => readdir(join(root, source)));
          expect(found.length).toBeGreaterThan(0);
        } else if (!source.startsWith('/')) {
          expect(volumes).toHaveProperty(source);
        }
      }
      for (const need of Object.keys(needs)) expect(services).toHaveProperty(need);
    }
  });

  it('gives the gateway only variables that Sluice or its files read', async () => {
    const { services } = await compose();
    const known = [
      ...Object.keys(environmentSchema.shape),
      ...variablesIn(await read('config/sluice.yaml')),
    ];
    known.push(...variablesIn(await read('config/policies.yaml')));
    for (const name of Object.keys(services.gateway?.environment ?? {})) {
      expect(known).toContain(name);
    }
  });
});

describe('Dockerfile', () => {
  it('builds in stages that exist and ends without root, compiler or development packages', async () => {
    const lines = await dockerfile();
    const stages = lines
      .filter(([name]) => name === 'FROM')
      .map(([, rest]) => / AS (\S+)$/i.exec(rest)?.[1] ?? 'final');
    expect(stages).toEqual(['dependencies', 'build', 'final']);
    for (const [, rest] of lines) {
      const from = /--from=(\S+)/.exec(rest)?.[1];
      if (from !== undefined) expect(stages).toContain(from);
    }
    const last = lines.slice(lines.map(([name]) => name).lastIndexOf('FROM'));
    expect(last).toContainEqual(['USER', 'node']);
    expect(last.map(([, rest]) => rest).join('\n')).not.toMatch(/npm|tools/);
    expect(lines).toContainEqual(['RUN', expect.stringContaining('npm ci --omit=dev')]);
  });

  it('uses known instructions, exec form, Node 24 and files that exist', async () => {
    const lines = await dockerfile();
    const known = 'ARG FROM WORKDIR COPY RUN ENV USER VOLUME EXPOSE HEALTHCHECK CMD'.split(' ');
    for (const [name, rest] of lines) {
      expect(known).toContain(name);
      if (name === 'CMD') expect(Array.isArray(JSON.parse(rest))).toBe(true);
      if (name === 'HEALTHCHECK') expect(JSON.parse(rest.slice(rest.indexOf('[')))).toHaveLength(3);
      if (name === 'COPY' && !rest.startsWith('--from')) {
        const sources = rest.split(' ').slice(0, -1);
        for (const source of sources) {
          const found = await read(source).catch(() => readdir(join(root, source)));
          expect(found.length).toBeGreaterThan(0);
        }
      }
    }
    expect(lines[0]).toEqual(['ARG', expect.stringMatching(/^NODE=node:24/)]);
  });
});

describe('what operators are shown', () => {
  it('documents every variable in .env.example', async () => {
    const example = await read('.env.example');
    const names = [
      ...Object.keys(environmentSchema.shape),
      ...variablesIn(await read('config/sluice.yaml')),
      ...variablesIn(await read('config/policies.yaml')),
      ...variablesIn(await read('docker-compose.yml')),
    ];
    for (const name of names) expect(example).toMatch(new RegExp(`^# ${name}=`, 'm'));
    expect(example).toMatch(/^# RATE_LIMIT_FREE_PER_HOUR=/m);
    expect(example).toMatch(/^# ENABLE_\w+=/m);
  });

  it('asks Prometheus only for metrics that the code has', async () => {
    const sources = await sourceTexts(['libs', 'apps']);
    const texts = [
      await read('deploy/prometheus/alerts.yml'),
      await read('deploy/grafana/dashboards/sluice.json'),
    ];
    const asked = new Set(texts.join('\n').match(/sluice_[a-z0-9_]+/g));
    const missing = [...asked].filter((name) => {
      const base = name.replace(/_(bucket|count|sum)$/, '');
      return !sources.includes(base) && !sources.includes(base.replace(/^sluice_/, ''));
    });
    expect(missing).toEqual([]);
  });

  it('has rules, targets and panels that are complete', async () => {
    const { groups } = parse(await read('deploy/prometheus/alerts.yml'));
    for (const rule of groups[0].rules) {
      expect(rule).toMatchObject({
        alert: expect.any(String),
        expr: expect.any(String),
        annotations: { summary: expect.any(String) },
      });
    }
    expect(parse(await read('deploy/prometheus/prometheus.yml')).rule_files).toEqual([
      'alerts.yml',
    ]);
    const { panels } = JSON.parse(await read('deploy/grafana/dashboards/sluice.json'));
    for (const panel of panels) expect(panel.targets.length).toBeGreaterThan(0);
  });

  it('names apps in nest-cli.json that exist', async () => {
    const { projects } = JSON.parse(await read('nest-cli.json'));
    for (const { sourceRoot, entryFile } of Object.values<Record<string, string>>(projects)) {
      expect(await read(`${sourceRoot ?? ''}/${entryFile ?? ''}.ts`)).not.toBe('');
    }
  });
});

function variablesIn(text: string): string[] {
  const withoutComments = text.replace(/^\s*#.*$/gm, '');
  return [...withoutComments.matchAll(/\$\{([A-Z_][A-Z0-9_]*)/g)].map(([, name = '']) => name);
}

async function sourceTexts(folders: string[]): Promise<string> {
  const texts: string[] = [];
  for (const folder of folders) {
    const names = await readdir(join(root, folder), { recursive: true });
    for (const name of names) {
      if (name.endsWith('.ts') && !name.endsWith('.spec.ts'))
        texts.push(await read(join(folder, name)));
    }
  }
  return texts.join('\n');
}
