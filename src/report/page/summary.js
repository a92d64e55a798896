// The head of the page: how the build went, advice, why calls missed, what changed since another build.

// --- summary ---------------------------------------------------------------------------------------------------------

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

// --- why it missed, and what changed ---------------------------------------------------------------------------------

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
