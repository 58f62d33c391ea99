// The dashboard: asks the admin API with the key that was typed in, which stays in this tab.
const REFRESH_MS = 10_000;
const MAX_ROWS = 20;
const today = () => new Date(Date.now() - 24 * 3_600_000).toISOString();

const PANELS = [
  {
    title: 'Usage by model, last 24 h',
    path: () => `/v1/admin/usage?group_by=model&from=${today()}`,
  },
  { title: 'Budgets', path: () => '/v1/admin/budgets' },
  { title: 'Cache', path: () => '/v1/admin/cache/stats' },
  { title: 'Models and health', path: () => '/v1/admin/routing/models' },
  { title: 'Service levels', path: () => '/v1/admin/performance' },
  { title: 'Alerts', path: () => '/v1/admin/alerts' },
  { title: 'Feature flags', path: () => '/v1/admin/flags' },
];

const element = (tag, text, attributes = {}) => {
  const node = Object.assign(document.createElement(tag), attributes);
  // textContent only: nothing that a caller named is ever read as HTML.
  if (text !== undefined) node.textContent = text;
  return node;
};

const panels = document.getElementById('panels');
const status = document.getElementById('status');
let key = sessionStorage.getItem('sluice-key') ?? '';

document.getElementById('key-form').addEventListener('submit', (event) => {
  event.preventDefault();
  key = document.getElementById('key').value.trim();
  sessionStorage.setItem('sluice-key', key);
  void refresh();
});

async function refresh() {
  await Promise.all([showHealth(), key === '' ? undefined : showPanels()]);
}

async function showHealth() {
  try {
    const health = await (await fetch('/health')).json();
    status.textContent = health.status;
    status.className = health.status === 'ok' ? 'ok' : 'bad';
  } catch {
    status.textContent = 'unreachable';
    status.className = 'bad';
  }
}

async function showPanels() {
  const sections = await Promise.all(PANELS.map(panel));
  panels.replaceChildren(...sections);
}

async function panel({ title, path }) {
  const section = element('section');
  section.append(element('h2', title));
  try {
    const response = await fetch(path(), { headers: { authorization: `Bearer ${key}` } });
    const body = await response.json();
    section.append(
      response.ok ? render(body) : element('p', body.error?.message, { className: 'error' }),
    );
  } catch (error) {
    section.append(element('p', String(error), { className: 'error' }));
  }
  return section;
}

/** Lists of objects become tables, other objects become two columns, all else is text. */
function render(value) {
  if (Array.isArray(value))
    return value.every(isObject) ? tableOf(value) : element('span', value.join(', '));
  if (!isObject(value)) return element('span', format(value));
  const entries = Object.entries(value);
  if (entries.length === 1) return render(entries[0][1]);
  const table = element('table');
  for (const [name, inner] of entries) {
    const row = table.insertRow();
    row.append(element('th', name.replaceAll('_', ' '), { scope: 'row' }));
    row.insertCell().append(render(inner));
  }
  return table;
}

function tableOf(rows) {
  if (rows.length === 0) return element('p', 'Nothing yet.');
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const table = element('table');
  const head = table.createTHead().insertRow();
  for (const column of columns)
    head.append(element('th', column.replaceAll('_', ' '), { scope: 'col' }));
  const body = table.createTBody();
  for (const row of rows.slice(0, MAX_ROWS)) {
    const line = body.insertRow();
    for (const column of columns) line.insertCell().append(render(row[column]));
  }
  return table;
}

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

function format(value) {
  if (value === null || value === undefined) return '–';
  if (typeof value === 'number') return value.toLocaleString('en', { maximumFractionDigits: 6 });
  return String(value);
}

await refresh();
setInterval(() => void refresh(), REFRESH_MS);
