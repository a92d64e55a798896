// The tables, sorted and copied by their heads and buttons.

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
