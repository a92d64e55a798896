// The timeline on its canvas, the details of a call, and the search. The last part: it draws the page for the first time.

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
