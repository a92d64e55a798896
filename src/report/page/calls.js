// What all parts of the page use: elements, numbers in words, the theme's colours, and the calls of the report.

const report = JSON.parse(document.getElementById('data').textContent);
const by = (id) => document.getElementById(id);
const began = performance.now();

// --- small things ----------------------------------------------------------------------------------------------------

/** An element with attributes and children; texts are always texts and never markup. */
const make = (name, attributes = {}, ...children) => {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === 'on') for (const [event, act] of Object.entries(value)) element.addEventListener(event, act);
    else if (value !== undefined && value !== null && value !== false) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
};
const time = (seconds) => {
  if (seconds === null || seconds === undefined) return '?';
  if (seconds < 0) return `−${time(-seconds)}`;
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const pad = (number) => String(number).padStart(2, '0');
  if (whole < 3600) return `${Math.floor(whole / 60)}m${pad(whole % 60)}s`;
  return `${Math.floor(whole / 3600)}h${pad(Math.floor(whole / 60) % 60)}m`;
};
const size = (bytes) => {
  if (bytes === null || bytes === undefined) return '?';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  let value = bytes;
  if (bytes < 0) return `−${size(-bytes)}`;
  while (Math.abs(value) >= 1023.95 && unit + 1 < units.length) { value /= 1024; unit += 1; }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
};
const count = (number, one, many = `${one}s`) => `${number.toLocaleString('en')} ${number === 1 ? one : many}`;
const base = (path) => (path ? path.slice(path.lastIndexOf('/') + 1) : '');
const dir = (path) => (path.includes('/') ? path.slice(0, path.lastIndexOf('/')) || '/' : '.');
const grouped = (items, key) => {
  const groups = new Map();
  for (const item of items) for (const name of [key(item)].flat()) {
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(item);
  }
  return groups;
};
const sum = (items, value) => items.reduce((total, item) => total + (value(item) ?? 0), 0);

// --- theme -----------------------------------------------------------------------------------------------------------

const dark = matchMedia('(prefers-color-scheme: dark)');
let chosen = null;
const colours = {};
const applyTheme = () => {
  document.documentElement.dataset.theme = chosen ?? (dark.matches ? 'dark' : 'light');
  const style = getComputedStyle(document.documentElement);
  for (const name of ['back', 'card', 'line', 'text', 'quiet', 'accent', 'hit', 'miss', 'direct', 'failed', 'launched', 'uncached'])
    colours[name] = style.getPropertyValue(`--${name}`).trim();
};
applyTheme();
dark.addEventListener('change', () => { applyTheme(); draw(); });
by('theme').addEventListener('click', () => {
  chosen = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark';
  applyTheme();
  draw();
});

// --- the calls -------------------------------------------------------------------------------------------------------

/** What became of a call, as a word that is also the name of its colour. */
const fate = (unit) => {
  if (!unit.launched) return 'direct';
  if (unit.outcome === 'error') return 'failed';
  return unit.outcome ?? 'launched';
};
const meanings = {
  hit: 'found in the cache', miss: 'compiled and stored', failed: 'failed', uncached: 'passed on uncached',
  launched: 'launched, result unknown', direct: 'direct',
};
/** The same of the part of a call for one architecture; the last part, the host's, is in no cache by itself. */
const partMeanings = { hit: 'found in the cache', miss: 'compiled and stored', uncached: 'compiled, and everything put together' };
const units = report.units ?? [];
const absolute = (unit, path) => (!path || path.startsWith('/') || !unit.directory ? path : `${unit.directory}/${path}`);
for (const [index, unit] of units.entries()) {
  unit.index = index;
  unit.fate = fate(unit);
  unit.path = absolute(unit, unit.source ?? unit.output) ?? '';
  unit.name = base(unit.source ?? unit.output) || unit.reason || '(a call)';
  const inTarget = /(?:^|\/)CMakeFiles\/([^/]+)\.dir\//.exec(unit.output ?? '');
  unit.target = unit.target ?? (inTarget ? inTarget[1] : null);
  unit.archNames = unit.archs ?? [];
  unit.side = unit.language === null || unit.language === undefined ? 'other'
    : unit.language === 'hip' || unit.language === 'assembler' ? 'HIP' : 'host';
  unit.parts ??= [];
  for (const part of unit.parts) {
    part.owner = unit;
    part.name = part.arch;
    part.fate = part.outcome === 'uncached' ? 'direct' : part.outcome;
  }
  unit.words = [unit.path, unit.output, unit.reason, unit.fate, unit.language, unit.side, unit.target, ...unit.archNames]
    .filter(Boolean).join('\n').toLowerCase();
}
/** The directory that all absolute paths have in common, which need not be shown. */
const common = (() => {
  let shared = null;
  for (const unit of units) {
    if (!unit.path.startsWith('/')) continue;
    const parts = dir(unit.path).split('/');
    if (shared === null) shared = parts;
    else {
      let length = 0;
      while (length < shared.length && shared[length] === parts[length]) length += 1;
      shared.length = length;
    }
  }
  return shared && shared.length > 1 ? `${shared.join('/')}/` : '';
})();
const short = (path) => (common && path.startsWith(common) ? path.slice(common.length) : path);
const took = (unit) => unit.seconds ?? 0;
