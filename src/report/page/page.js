'use strict';
(() => {
  const report = JSON.parse(document.getElementById('data').textContent);
  const by = (id) => document.getElementById(id);
  const began = performance.now();

  // --- small things -------------------------------------------------------------------------------------------------

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

  // --- theme --------------------------------------------------------------------------------------------------------

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

  // --- the calls ----------------------------------------------------------------------------------------------------

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

  // --- summary ------------------------------------------------------------------------------------------------------

  const session = report.session;
  const cache = report.cache;
  const launcher = `${session.launcher.kind}${session.launcher.version ? ` ${session.launcher.version}` : ''}`;
  const command = session.command.join(' ');
  by('maker').textContent = `rock-wrap ${session.rock_wrap ?? ''}`.trim();
  document.title = `rock-wrap: ${base(session.command[0] ?? '')} ${time(session.seconds)}`;
  by('command').append(make('code', {}, command), session.directory ? ` in ${session.directory}` : '', session.tree ? ` with ${session.tree}` : '',
    `, ${new Date(session.started * 1000).toLocaleString()}`);
  by('summary').textContent = (() => {
    const ended = session.signal ? `was ended by signal ${session.signal}`
      : session.exit_status ? `failed with status ${session.exit_status}` : session.exit_status === 0 ? 'succeeded' : 'could not be run';
    const calls = `${count(report.calls.launched, 'call')} went to the launcher and ${count(report.calls.direct, 'call')} straight to the compiler.`;
    const found = cache ? ` ${count(cache.hits, 'was', 'were')} found in the cache, ${count(cache.misses, 'was', 'were')} not.`
      : ` ${report.cache_unknown ?? 'The launcher does not say what it found.'}`;
    return `The build ${ended} after ${time(session.seconds)} with ${launcher}, ${session.attachment}. ${calls}${found}`;
  })();
  const bar = (parts) => {
    const total = sum(parts, (part) => part[1]);
    return total === 0 ? null : make('div', { class: 'bar', 'aria-hidden': 'true' },
      ...parts.map(([name, value]) => make('i', { style: `width:${(100 * value) / total}%;background:var(--${name})` })));
  };
  const card = (label, value, more, extra) => by('cards').append(make('dl', { class: 'card', style: 'margin:0' },
    make('dt', {}, label), make('dd', {}, value, more ? make('div', { class: 'more' }, more) : null, extra)));
  card('Elapsed', time(session.seconds), launcher);
  const tally = (label, calls, counted) => card(label, counted ? `${counted.hits} of ${counted.hits + counted.misses} hit` : count(calls, 'call'),
    counted && counted.errors ? count(counted.errors, 'error') : `${count(calls, 'call')} launched`,
    counted ? bar([['hit', counted.hits], ['miss', counted.misses], ['failed', counted.errors]]) : null);
  if (cache && cache.hip && cache.host) {
    tally('HIP', report.calls.launched_hip, cache.hip);
    tally('Host', report.calls.launched_host, cache.host);
  } else tally('Launched', report.calls.launched, cache);
  card('Direct', String(report.calls.direct), report.calls.reasons.slice(0, 2).map((of) => `${of.reason} ${of.calls}`).join(', '));
  if (report.saved) card('Saved', `about ${time(report.saved.seconds)}`, `of compiling, going by ${count(report.saved.misses, 'miss', 'misses')}`);
  if (cache && cache.bytes !== null) {
    const grown = cache.bytes_before === null ? null : cache.bytes - cache.bytes_before;
    const change = grown === null ? '' : grown === 0 ? 'as before' : `${size(Math.abs(grown))} ${grown > 0 ? 'more' : 'less'} than before`;
    card('Cache', size(cache.bytes), [cache.bytes_limit ? `of ${size(cache.bytes_limit)}` : '', change].filter(Boolean).join(', '),
      cache.bytes_limit ? bar([['launched', cache.bytes], ['line', Math.max(0, cache.bytes_limit - cache.bytes)]]) : null);
  }
  const largest = units.reduce((most, unit) => ((unit.peak_memory ?? 0) > (most?.peak_memory ?? 0) ? unit : most), null);
  if (largest?.peak_memory) card('Peak memory', size(largest.peak_memory), `compiling ${largest.name}`);
  else if (session.peak_memory) card('Peak memory', size(session.peak_memory), 'of the largest process that the build waited for');
  for (const advice of report.advice ?? [])
    by('advice').append(make('div', { class: `advice ${advice.weight}` }, make('p', {}, make('strong', {}, `${advice.weight}: `), advice.text),
      advice.remedy ? make('p', {}, `What to do: ${advice.remedy}`) : null));

  // --- why it missed, and what changed ------------------------------------------------------------------------------

  const why = report.why;
  if (why) {
    by('why').hidden = false;
    by('why').append(make('p', {}, why.text));
    for (const cause of why.causes) by('why').append(make('div', { class: 'cause' },
      make('p', {}, make('strong', {}, `${cause.text}: `), count(cause.units.length, 'unit')),
      cause.remedy ? make('p', {}, `What to do: ${cause.remedy}`) : null,
      make('details', {}, make('summary', {}, 'Which'), make('ul', {},
        ...cause.units.slice(0, 200).map((unit) => make('li', { class: 'path' }, unit)),
        cause.units.length > 200 ? make('li', {}, `and ${cause.units.length - 200} more`) : null))));
  }
  const difference = report.difference;
  if (difference) {
    by('difference').hidden = false;
    const list = (what, names) => (names.length === 0 ? null : make('details', {}, make('summary', {}, `${what}: ${count(names.length, 'source')}`),
      make('ul', {}, ...names.map((name) => make('li', { class: 'path' }, name)))));
    by('difference').append(make('p', {}, `${difference.text.charAt(0).toUpperCase()}${difference.text.slice(1)}.`),
      ...[list('New', difference.new), list('No longer compiled', difference.gone)].filter(Boolean));
  }

  // --- tables -------------------------------------------------------------------------------------------------------

  const tag = (word) => make('span', { class: 'tag', style: `background:var(--${word in meanings ? word : 'direct'})` }, word);
  /** A table that is sorted by its heads and copied as tab-separated text. A column: name, value of a row, and how it is shown. */
  const table = (title, note, columns, rows, first = 0, few = 50) => {
    const body = make('tbody');
    const heads = [];
    let sorted = { column: first, up: columns[first]?.up ?? !columns[first]?.number };
    let shown = few;
    let current = rows;
    const more = make('button', { type: 'button', class: 'more-rows', on: { click: () => { shown += 500; fill(); } } });
    const fill = () => {
      if (!columns[sorted.column]) return show();
      const { value } = columns[sorted.column];
      const order = (a, b) => {
        const [x, y] = [value(a), value(b)];
        if (x === y) return 0;
        if (x === null || x === undefined) return 1;
        if (y === null || y === undefined) return -1;
        const less = typeof x === 'number' && typeof y === 'number' ? x - y : String(x).localeCompare(String(y), 'en', { numeric: true });
        return sorted.up ? less : -less;
      };
      current = [...current].sort(order);
      show();
    };
    const show = () => {
      const cell = (column, row) => {
        const content = column.show ? column.show(row) : column.value(row) ?? '';
        return make('td', { class: column.number ? 'number' : column.kind }, content);
      };
      body.replaceChildren(...current.slice(0, shown).map((row) => make('tr', {}, ...columns.map((column) => cell(column, row)))));
      heads.forEach((head, index) => {
        if (index === sorted.column) head.setAttribute('aria-sort', sorted.up ? 'ascending' : 'descending');
        else head.removeAttribute('aria-sort');
      });
      more.hidden = current.length <= shown;
      more.textContent = `Show more (${(current.length - shown).toLocaleString('en')} left)`;
    };
    columns.forEach((column, index) => heads.push(make('th', { scope: 'col', class: column.number ? 'number' : null },
      make('button', { type: 'button', on: { click: () => {
        sorted = { column: index, up: sorted.column === index ? !sorted.up : column.up ?? !column.number };
        fill();
      } } }, column.name))));
    const text = () => [columns.map((column) => column.name), ...current.map((row) => columns.map((column) => column.value(row) ?? ''))]
      .map((cells) => cells.map((cell) => String(cell).replace(/[\t\n]/g, ' ')).join('\t')).join('\n');
    const copy = make('button', { type: 'button', 'aria-label': `Copy the table ${title}`, on: { click: () => toClipboard(text(), copy) } }, 'Copy');
    const section = make('section', { 'aria-label': title },
      make('div', { class: 'head' }, make('h2', {}, title), copy),
      // Not the table's caption, which would scroll with a wide table.
      note ? make('p', { class: 'quiet' }, note) : null,
      make('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': `Table: ${title}` },
        make('table', {}, make('thead', {}, make('tr', {}, ...heads)), body), more));
    fill();
    by('tables').append(section);
    return { section, set: (now) => { current = now; shown = few; fill(); } };
  };
  /** Works from a file too, where a page may not have the clipboard. */
  const toClipboard = async (text, button) => {
    const say = (word) => { button.textContent = word; setTimeout(() => { button.textContent = 'Copy'; }, 1500); };
    try {
      await navigator.clipboard.writeText(text);
      say('Copied');
    } catch {
      const area = make('textarea', { style: 'position:fixed;opacity:0' });
      area.value = text;
      document.body.append(area);
      area.select();
      say(document.execCommand('copy') ? 'Copied' : 'Not allowed');
      area.remove();
    }
  };
  const seconds = (name, value, more = {}) => ({ name, value: (row) => { const own = value(row); return typeof own === 'number' ? Math.round(own * 1000) / 1000 : own; }, number: true, show: (row) => time(value(row)), ...more });
  const number = (name, value) => ({ name, value, number: true });
  // Of a call that was compiled by architecture, the part for the group's architecture counts.
  const partFor = (unit, arch) => unit.parts.find((part) => part.arch === arch);
  const of = (word) => (group) => group.units.filter((unit) => (partFor(unit, group.name)?.outcome ?? unit.fate) === word).length;

  if (difference) {
    const figure = (row, value) => (row.unit === 'seconds' ? time(value) : row.unit === 'bytes' ? size(value) : value.toLocaleString('en').replace('-', '−'));
    const column = (name, value) => ({ name, number: true, value, show: (row) => figure(row, value(row)) });
    table('Figures before and after', null, [
      { name: 'Figure', value: (row) => row.name },
      column('Before', (row) => row.before), column('After', (row) => row.after), column('Change', (row) => row.after - row.before),
    ], difference.figures, null);
    table('Sources before and after', 'Those that take another time or end in another way', [
      { name: 'Source', kind: 'path', value: (row) => short(row.source) },
      seconds('Before', (row) => row.before), seconds('After', (row) => row.after),
      seconds('Change', (row) => row.after - row.before),
      { name: 'Was', kind: 'word', value: (row) => row.was, show: (row) => tag(row.was) },
      { name: 'Is', kind: 'word', value: (row) => row.is, show: (row) => tag(row.is) },
    ], difference.units, null);
  }
  // A unit is a source; its parts are the calls that compile it.
  const sources = [...grouped(units.filter((unit) => unit.source), (unit) => unit.path)].map(([path, parts]) => ({ path, units: parts }));
  const memory = (of) => (of.peak_memory ? size(of.peak_memory) : null);
  const inWords = (part) => [`${part.arch}: ${partMeanings[part.outcome] ?? part.outcome}`, part.seconds === undefined ? null : time(part.seconds), memory(part)]
    .filter(Boolean).join(', ');
  const listOf = (items, content) => make('ul', {}, ...items.map((item) => make('li', {}, ...[content(item)].flat())));
  const partList = (unit) => listOf(unit.parts, inWords);
  const describe = (unit) => [unit.archNames.length ? unit.archNames.join(' ') : unit.arch_count ? `${unit.arch_count} architectures` : unit.language,
    unit.outcome ?? unit.reason ?? 'launched', time(unit.seconds), memory(unit)].filter(Boolean).join(', ');
  const insideOf = ({ units: [first, ...rest] }) => (rest.length > 0
    ? listOf([first, ...rest], (unit) => [describe(unit), ...(unit.parts.length > 0 ? [partList(unit)] : [])])
    : first.parts.length > 0 ? partList(first) : null);
  table('Slowest units', 'Each source with the calls that compile it, and with their parts if they were compiled by architecture', [
    { name: 'Source', kind: 'path', value: (row) => short(row.path), show: (row) => {
      const inside = insideOf(row);
      return inside ? make('details', {}, make('summary', {}, short(row.path)), inside) : short(row.path);
    } },
    seconds('Time', (row) => sum(row.units, took)),
    number('Calls', (row) => row.units.length),
    { name: 'Language', kind: 'word', value: (row) => row.units[0].language ?? '' },
    number('Archs', (row) => Math.max(...row.units.map((unit) => unit.arch_count ?? 0)) || null),
    ...(largest?.peak_memory ? [{ ...number('Memory', (row) => Math.max(...row.units.map((unit) => unit.peak_memory ?? 0)) || null),
      show: (row) => memory({ peak_memory: Math.max(...row.units.map((unit) => unit.peak_memory ?? 0)) }) ?? '' }] : []),
    { name: 'Result', kind: 'word', value: (row) => [...new Set(row.units.map((unit) => unit.fate))].join(' '),
      show: (row) => make('span', {}, ...[...new Set(row.units.map((unit) => unit.fate))].flatMap((word) => [tag(word), ' '])) },
  ], sources, 1, 15);

  const tallies = [number('Calls', (row) => row.units.length), number('Hits', of('hit')), number('Misses', of('miss')),
    number('Direct', of('direct')), seconds('Time', (row) => sum(row.units, row.share ?? took))];
  const groups = (key, share) => [...grouped(units, key)].map(([name, list]) => ({ name, units: list, share }));
  table('HIP and host', null, [{ name: 'Side', kind: 'word', value: (row) => row.name }, ...tallies], groups((unit) => unit.side), 5);
  const byArch = units.filter((unit) => (unit.arch_count ?? 0) > 0);
  if (byArch.length > 0)
    table('Architectures', 'The time of a call is divided evenly between the architectures that it compiles for, unless it was compiled by architecture',
      [{ name: 'Architecture', kind: 'word', value: (row) => row.name }, ...tallies],
      [...grouped(byArch, (unit) => (unit.archNames.length ? unit.archNames : ['(not recorded)']))]
        .map(([name, list]) => ({ name, units: list, share: (unit) => partFor(unit, name)?.seconds ?? took(unit) / Math.max(1, unit.archNames.length) })), 5);
  if (units.some((unit) => unit.target))
    table('CMake targets', null, [{ name: 'Target', kind: 'path', value: (row) => row.name }, ...tallies], groups((unit) => unit.target ?? '(none)'), 5);
  table('Directories', common ? `Below ${common}` : null,
    [{ name: 'Directory', kind: 'path', value: (row) => row.name }, ...tallies],
    [...grouped(units.filter((unit) => unit.path), (unit) => dir(short(unit.path)))].map(([name, list]) => ({ name, units: list })), 5);
  if (report.calls.reasons.length > 0)
    table('Direct calls', 'Calls that went straight to the compiler, by reason', [
      { name: 'Reason', kind: 'word', value: (row) => row.reason },
      number('Calls', (row) => row.calls),
      seconds('Time', (row) => sum(units.filter((unit) => unit.reason === row.reason), took)),
      { name: 'What to do', value: (row) => row.remedy ?? 'nothing: no cache could help' },
    ], report.calls.reasons, 1);
  if (report.steps && report.steps.length > 0)
    table('Other steps of the build', 'From .ninja_log: what ninja ran besides these calls', [
      { name: 'Output', kind: 'path', value: (row) => row.output },
      seconds('Start', (row) => row.start),
      seconds('Time', (row) => row.seconds),
    ], report.steps, 2);
  const all = table('All calls', 'The search above applies', [
    seconds('Start', (unit) => unit.start, { up: true }),
    seconds('Time', (unit) => unit.seconds),
    { name: 'Result', kind: 'word', value: (unit) => unit.fate, show: (unit) => tag(unit.fate) },
    { name: 'Source', kind: 'path', value: (unit) => short(unit.path) || unit.name },
    { name: 'Language', kind: 'word', value: (unit) => unit.language ?? '' },
    { name: 'Architectures', kind: 'word', value: (unit) => unit.archNames.join(' ') || (unit.arch_count ? String(unit.arch_count) : '') },
    { name: 'Reason', kind: 'word', value: (unit) => unit.reason ?? '' },
    { name: 'Target', kind: 'word', value: (unit) => unit.target ?? '' },
  ], units, 0);

  // --- timeline -----------------------------------------------------------------------------------------------------

  const canvas = by('canvas');
  const pen = canvas.getContext('2d');
  const lanes = [];
  for (const unit of units) (lanes[unit.lane ?? 0] ??= []).push(unit);
  for (let lane = 0; lane < lanes.length; lane += 1) (lanes[lane] ??= []).sort((a, b) => a.start - b.start);
  const end = Math.max(session.seconds, ...lanes.map((lane) => { const last = lane[lane.length - 1]; return last ? last.start + took(last) : 0; }), 0.001);
  /** What is drawn, row by row: the calls of a lane, and below them the parts of those that were compiled by architecture. */
  const rows = lanes.flatMap((lane) => {
    const below = [];
    for (const part of lane.flatMap((unit) => unit.parts)) {
      if (part.start === undefined) continue;
      const free = below.find((row) => { const last = row[row.length - 1]; return last.start + took(last) <= part.start; });
      if (free) free.push(part); else below.push([part]);
    }
    return [lane, ...below];
  });
  const ownerOf = (bar) => bar?.owner ?? bar;
  const AXIS = 24;
  const row = rows.length <= 24 ? 20 : rows.length <= 64 ? 10 : Math.max(2, Math.floor(640 / rows.length));
  const height = AXIS + Math.max(1, rows.length) * row + 4;
  let view = { from: 0, to: end };
  let matches = null;
  let selected = null;
  let hovered = null;
  let width = 0;
  for (const word of Object.keys(meanings)) {
    const number = units.filter((unit) => unit.fate === word).length;
    if (number > 0) by('legend').append(make('span', {}, make('i', { style: `background:var(--${word})` }), `${meanings[word]} (${number.toLocaleString('en')})`));
  }
  if (rows.length > lanes.length) by('legend').append(make('span', {}, 'Below a call that was compiled by architecture are its parts.'));

  const ticks = () => {
    const span = view.to - view.from;
    const raw = (span * 90) / width;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= raw);
    const marks = [];
    for (let at = Math.ceil(view.from / step) * step; at <= view.to; at += step) marks.push(at);
    return { marks, digits: Math.max(0, -Math.floor(Math.log10(step))) };
  };
  const draw = () => {
    const scale = devicePixelRatio || 1;
    width = canvas.clientWidth;
    if (width === 0) return;
    if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
      canvas.style.height = `${height}px`;
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
    }
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.fillStyle = colours.back;
    pen.fillRect(0, 0, width, height);
    const factor = width / (view.to - view.from);
    pen.font = '12px system-ui, "Liberation Sans", sans-serif';
    pen.textBaseline = 'middle';
    const { marks, digits } = ticks();
    for (const mark of marks) {
      const x = Math.round((mark - view.from) * factor) + 0.5;
      pen.fillStyle = colours.line;
      pen.fillRect(x, AXIS - 4, 1, height);
      pen.fillStyle = colours.quiet;
      const label = mark >= 600 && digits === 0 ? time(mark) : `${mark.toFixed(digits)} s`;
      const room = pen.measureText(label).width;
      if (x + 4 + room <= width) pen.fillText(label, x + 4, AXIS / 2);
    }
    const labels = [];
    rows.forEach((lane, at) => {
      const y = AXIS + at * row;
      const tall = Math.max(1, row - (row > 4 ? 2 : 0) - (lane[0]?.owner && row >= 16 ? 4 : 0));
      // The first call that can be seen: calls of one lane do not overlap.
      let low = 0;
      let high = lane.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (lane[middle].start + took(lane[middle]) < view.from) low = middle + 1; else high = middle;
      }
      for (let index = low; index < lane.length && lane[index].start <= view.to; index += 1) {
        const unit = lane[index];
        const x = (unit.start - view.from) * factor;
        const wide = Math.max(1, took(unit) * factor - 0.5);
        pen.globalAlpha = matches && !matches.has(ownerOf(unit).index) ? 0.12 : 1;
        pen.fillStyle = colours[unit.fate];
        pen.fillRect(x, y, wide, tall);
        if (unit === selected || unit === hovered) {
          pen.globalAlpha = 1;
          pen.strokeStyle = colours.text;
          pen.lineWidth = 2;
          pen.strokeRect(x, y, Math.max(wide, 2), tall);
        }
        if (wide > 48 && row >= 16) labels.push([unit, x, y + tall / 2 + 1, wide]);
      }
    });
    for (const [unit, x, y, wide] of labels) {
      pen.globalAlpha = matches && !matches.has(ownerOf(unit).index) ? 0.3 : 1;
      pen.save();
      pen.beginPath();
      pen.rect(x, y - row / 2, wide - 4, row);
      pen.clip();
      pen.fillStyle = document.documentElement.dataset.theme === 'dark' ? '#14171c' : '#ffffff';
      pen.fillText(unit.name, Math.max(x, 0) + 5, y);
      pen.restore();
    }
    pen.globalAlpha = 1;
  };
  let asked = false;
  const redraw = () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => { asked = false; draw(); });
  };
  const show = (from, to) => {
    const span = Math.min(Math.max(to - from, end / 1e6, 1e-5), end * 1.02);
    const start = Math.min(Math.max(from, 0), Math.max(0, end * 1.02 - span));
    view = { from: start, to: start + span };
    redraw();
  };
  const zoom = (by, at = 0.5) => {
    const span = view.to - view.from;
    const middle = view.from + span * at;
    show(middle - span * by * at, middle + span * by * (1 - at));
  };
  const move = (share) => { const by = (view.to - view.from) * share; show(view.from + by, view.to + by); };
  /** The call at a point of the canvas; a narrow one is found from near by. */
  const at = (x, y) => {
    const lane = rows[Math.floor((y - AXIS) / row)];
    if (!lane || y < AXIS) return null;
    const factor = width / (view.to - view.from);
    const moment = view.from + x / factor;
    let low = 0;
    let high = lane.length;
    while (low < high) { const middle = (low + high) >> 1; if (lane[middle].start <= moment) low = middle + 1; else high = middle; }
    const near = [lane[low - 1], lane[low]].filter(Boolean);
    const distance = (unit) => Math.max(0, unit.start - moment, moment - unit.start - took(unit)) * factor;
    const [best] = near.sort((a, b) => distance(a) - distance(b));
    return best && distance(best) <= 4 ? best : null;
  };
  const facts = (unit) => [
    ['Source', unit.source ? absolute(unit, unit.source) : null], ['Output', unit.output], ['Directory', unit.directory],
    ['Result', unit.launched ? meanings[unit.fate] : `direct: ${unit.reason}`],
    ['Time', unit.seconds === null ? 'unknown' : `${unit.end === 'before' ? 'at most ' : ''}${time(unit.seconds)}, from ${time(unit.start)} on`],
    ['Language', unit.language], ['Architectures', unit.archNames.join(' ') || (unit.arch_count ? String(unit.arch_count) : null)],
    ['Parts', unit.parts.map(inWords).join('; ')], ['Memory', memory(unit)], ['Target', unit.target], ['Process', unit.process],
  ].filter(([, value]) => value !== null && value !== undefined && value !== '');
  const select = (unit) => {
    selected = unit;
    by('details').replaceChildren(...(unit ? [make('dl', {}, ...facts(unit).flatMap(([name, value]) => [make('dt', {}, name), make('dd', {}, String(value))]))] : []));
    redraw();
  };
  const tip = by('tip');
  const hover = (unit, x, y) => {
    if (hovered !== unit) { hovered = unit; redraw(); }
    tip.hidden = !unit;
    if (!unit) return;
    const owner = ownerOf(unit);
    const words = unit.owner ? partMeanings[unit.outcome] : unit.launched ? meanings[unit.fate] : unit.reason;
    tip.replaceChildren(make('strong', {}, unit.owner ? `${unit.name} of ${owner.name}` : unit.name),
      make('div', {}, [words, time(unit.seconds), memory(unit)].filter(Boolean).join(', ')),
      ...[unit.owner ? null : owner.archNames.join(' '), short(owner.path)].filter(Boolean).map((text) => make('div', { class: 'quiet' }, text)));
    const room = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(x + 12, width - room.width - 4))}px`;
    tip.style.top = `${y + 18 + room.height > height ? Math.max(0, y - room.height - 10) : y + 18}px`;
  };
  let drag = null;
  canvas.addEventListener('pointerdown', (event) => { drag = { x: event.offsetX, view, moved: false }; canvas.setPointerCapture(event.pointerId); });
  canvas.addEventListener('pointermove', (event) => {
    if (drag) {
      const by = ((drag.x - event.offsetX) / width) * (drag.view.to - drag.view.from);
      if (Math.abs(drag.x - event.offsetX) > 3) drag.moved = true;
      if (drag.moved) show(drag.view.from + by, drag.view.to + by);
      hover(null);
    } else hover(at(event.offsetX, event.offsetY), event.offsetX, event.offsetY);
  });
  canvas.addEventListener('pointerup', (event) => { if (drag && !drag.moved) select(ownerOf(at(event.offsetX, event.offsetY))); drag = null; });
  canvas.addEventListener('pointercancel', () => { drag = null; });
  canvas.addEventListener('pointerleave', () => hover(null));
  canvas.addEventListener('dblclick', (event) => zoom(0.4, event.offsetX / width));
  canvas.addEventListener('wheel', (event) => {
    if (event.ctrlKey || event.metaKey) { event.preventDefault(); zoom(event.deltaY > 0 ? 1.25 : 0.8, event.offsetX / width); }
    else if (event.shiftKey) { event.preventDefault(); move(event.deltaY > 0 ? 0.1 : -0.1); }
  }, { passive: false });
  canvas.addEventListener('keydown', (event) => {
    const act = { '+': () => zoom(0.5), '=': () => zoom(0.5), '-': () => zoom(2), ArrowLeft: () => move(-0.2), ArrowRight: () => move(0.2),
      Home: () => show(0, end * 1.02), Escape: () => select(null) }[event.key];
    if (act) { event.preventDefault(); act(); }
  });
  by('zoom-in').addEventListener('click', () => zoom(0.5));
  by('zoom-out').addEventListener('click', () => zoom(2));
  by('zoom-fit').addEventListener('click', () => show(0, end * 1.02));
  let found = [];
  let next = 0;
  const search = (text) => {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    found = words.length === 0 ? units : units.filter((unit) => words.every((word) => unit.words.includes(word)));
    matches = words.length === 0 ? null : new Set(found.map((unit) => unit.index));
    next = 0;
    by('found').textContent = matches ? `${count(found.length, 'call')} of ${units.length.toLocaleString('en')}, ${time(sum(found, took))}` : '';
    all.set(found);
    redraw();
  };
  let waiting = null;
  by('search').addEventListener('input', () => { clearTimeout(waiting); waiting = setTimeout(() => search(by('search').value), 80); });
  by('search').addEventListener('keydown', (event) => {
    if (event.key !== 'Enter') return;
    search(by('search').value);
    if (!matches || found.length === 0) return;
    const unit = found[next % found.length];
    next += 1;
    const span = Math.max(took(unit) * 6, end / 200);
    show(unit.start + took(unit) / 2 - span / 2, unit.start + took(unit) / 2 + span / 2);
    select(unit);
  });
  if (units.length === 0) by('timeline').hidden = true;
  new ResizeObserver(draw).observe(canvas);
  view = { from: 0, to: end * 1.02 };
  draw();
  document.documentElement.dataset.ready = String(Math.round(performance.now() - began));
})();
