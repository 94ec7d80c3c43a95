// The page works without this script. The script adds: sort, filter, details in place, times in the viewer's zone, and
// fragments that are fetched again when the server reports a change. The server renders all HTML; this puts it in place.
(() => {
'use strict';

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const rows = $('#rows');
const one = $('#one');
const hosts = $('#hosts');
document.documentElement.classList.add('js');

// Times are by the server's clock: texts must not depend on the viewer's.

let offset = Date.parse(document.body.dataset.now) - Date.now();
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
const short = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit' });
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });

function coarse(ms) {
  const s = Math.floor(ms / 1000);
  if (s < 60) return Math.max(1, s) + ' s';
  if (s < 3600) return Math.floor(s / 60) + ' min';
  if (s < 172800) return Math.floor(s / 3600) + ' h';
  return Math.floor(s / 86400) + ' d';
}

function say(time, at, now) {
  switch (time.className.split(' ')[0]) {
    case 'ago': return coarse(now - at) + ' ago';
    case 'for': return coarse(now - at);
    case 'in': return at > now ? 'in ' + coarse(at - now) : 'now';
    case 'clock': return clock.format(at);
    default: return short.format(at);
  }
}

function tick(root = document) {
  const now = Date.now() + offset;
  for (const time of root.getElementsByTagName('time')) {
    time.at ??= Date.parse(time.dateTime);
    if (Number.isNaN(time.at)) continue;
    if (time.said && (time.className === 'clock' || time.className.startsWith('abs'))) continue;
    const text = say(time, time.at, now);
    if (time.said !== text) time.textContent = time.said = text;
    if (!time.zoned && time.title) time.title = time.zoned = full.format(time.at);
  }
}

$('#zone').textContent = Intl.DateTimeFormat().resolvedOptions().timeZone || 'your zone';
tick();
setInterval(() => { if (!document.hidden) tick(); }, 1000);

// Replaces a fragment and keeps what the viewer has open and the keyboard's focus.

function swap(box, html) {
  const open = new Set($$('details[open]', box).map((d) => d.dataset.id));
  const held = box.contains(document.activeElement) && document.activeElement;
  const kind = held && held.tagName;
  const id = held && (held.closest('details')?.dataset.id ?? held.getAttribute('href'));
  box.innerHTML = html;
  for (const d of $$('details', box)) d.open = open.has(d.dataset.id);
  tick(box);
  if (!held) return;
  const again = $$(kind, box).find((e) => (e.closest('details')?.dataset.id ?? e.getAttribute('href')) === id);
  again?.focus({ preventScroll: true });
}

function move(node, before) {
  if (node === before || node.nextElementSibling === before && node.parentNode === rows) return;
  const held = node.contains(document.activeElement) && document.activeElement;
  if (rows.moveBefore && node.isConnected) rows.moveBefore(node, before); else rows.insertBefore(node, before);
  if (held && document.activeElement !== held) held.focus({ preventScroll: true });
}

const hrefOf = (row) => $('a', row).getAttribute('href');
const lines = () => [...rows.children].filter((row) => !row.classList.contains('more'));

async function fetchPart(query) {
  const answer = await fetch(query, { cache: 'no-store', signal: AbortSignal.timeout(10000) });
  if (!answer.ok) throw new Error('status ' + answer.status);
  return answer.text();
}

// A row that changed is replaced cell by cell; the first cell, with its link and button, stays the same element.

function refit(row, fresh) {
  for (let n = 1; n < fresh.cells.length; n++) {
    if (row.cells[n].outerHTML !== fresh.cells[n].outerHTML) row.cells[n].replaceWith(fresh.cells[n].cloneNode(true));
  }
  row.dataset.rev = fresh.dataset.rev;
  row.dataset.group = fresh.dataset.group;
  row.text = undefined;
  tick(row);
  if (row.detail) want(row);
}

async function loadWorkers() {
  const fresh = new DOMParser().parseFromString(await fetchPart('?fragment=workers'), 'text/html');
  offset = Date.parse(fresh.body.dataset.now) - Date.now();
  const summary = $('#summary', fresh).innerHTML;
  if ($('#summary').innerHTML !== summary) $('#summary').innerHTML = summary;
  const groups = $('#groups', fresh).innerHTML;
  if ($('#groups').innerHTML !== groups) $('#groups').innerHTML = groups;
  document.title = fresh.title;
  $('.foot time').dateTime = fresh.body.dataset.now;
  $('.foot time').at = $('.foot time').said = undefined;
  const gone = new Map(lines().map((row) => [hrefOf(row), row]));
  for (const next of $$('#rows > tr', fresh)) {
    const row = gone.get(hrefOf(next));
    gone.delete(hrefOf(next));
    if (!row) {
      rows.append(dress(document.adoptNode(next)));
    } else if (row.dataset.rev !== next.dataset.rev) {
      refit(row, next);
    }
  }
  for (const row of gone.values()) {
    row.detail?.remove();
    row.detail = null;
    row.remove();
  }
  arrange();
  tick();
}

async function loadHistory() {
  swap($('#history'), await fetchPart('?fragment=history'));
}

async function loadOne() {
  swap(one, await fetchPart(one.dataset.src + '&fragment=detail'));
}

async function loadHosts() {
  swap(hosts, await fetchPart(hosts.dataset.src));
}

async function loadDetail(row) {
  if (row.detail) swap(row.detail.cells[0], await fetchPart(hrefOf(row) + '&fragment=detail'));
}

// Fragments are fetched at most once a second, and more slowly from a slow server.

const wanted = new Set();
let timer = 0;
let busy = false;
let began = -Infinity;
let pause = 1000;

function want(...parts) {
  for (const part of parts) wanted.add(part);
  plan();
}

function plan() {
  if (timer || busy || !wanted.size || document.hidden) return;
  timer = setTimeout(run, Math.max(0, began + pause - performance.now()));
}

async function run() {
  timer = 0;
  busy = true;
  began = performance.now();
  const parts = [...wanted];
  wanted.clear();
  let failed = false;
  for (const part of parts) {
    try {
      await (typeof part === 'function' ? part() : loadDetail(part));
    } catch {
      failed = true;
      if (typeof part === 'function') wanted.add(part); // details may be gone for good, with their row
    }
  }
  pause = failed ? 5000 : Math.max(1000, 5 * (performance.now() - began));
  busy = false;
  plan();
}

const changed = () => (one ? want(loadOne) : rows ? want(loadWorkers) : undefined);

function everything() {
  changed();
  if (rows) want(loadHistory);
  if (hosts) want(loadHosts);
}

// Live.

const live = $('#live');
let source = null;
let retry = 0;

function state(lost) {
  const text = lost ? 'connection lost, retrying' : 'live';
  live.hidden = false;
  live.classList.toggle('lost', lost);
  if (live.textContent !== text) live.textContent = text;
}

function listen() {
  clearTimeout(retry);
  source?.close();
  source = new EventSource('api/v1/events');
  source.onopen = () => { state(false); everything(); };
  source.onerror = () => {
    state(true);
    if (source.readyState === EventSource.CLOSED) retry = setTimeout(listen, 5000);
  };
  source.addEventListener('view', changed);
  source.addEventListener('gap', everything); // the server no longer has some of the missed events
  for (const kind of document.body.dataset.kinds.split(' ')) source.addEventListener(kind, everything);
}

// Browsers open few connections to one server: a hidden page closes its own.
function attend() {
  if (document.hidden) {
    clearTimeout(retry);
    source?.close();
    source = null;
  } else if (!source) {
    listen();
    plan();
  }
}

document.addEventListener('visibilitychange', attend);
window.addEventListener('pagehide', () => { source?.close(); source = null; });
window.addEventListener('pageshow', attend);
setInterval(() => { if (live.classList.contains('lost') && !document.hidden) everything(); }, 10000);
// The server asks the other hosts as often; no event reports a change of theirs.
if (hosts) setInterval(() => { if (!document.hidden) want(loadHosts); }, 5000);
attend();
if (!rows) return;

// Details in place.

function dress(row) {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'open';
  button.setAttribute('aria-expanded', 'false');
  button.setAttribute('aria-label', 'Details of ' + $('a', row).textContent);
  row.cells[0].prepend(button);
  return row;
}

async function toggle(button) {
  const row = button.closest('tr');
  if (row.detail) {
    row.detail.remove();
    row.detail = null;
  } else {
    const more = document.createElement('tr');
    more.className = 'more';
    more.setAttribute('role', 'row');
    more.innerHTML = '<td role="cell" colspan="8">…</td>';
    row.after(more);
    row.detail = more;
    loadDetail(row).catch(() => { if (more.isConnected) more.cells[0].textContent = 'The details cannot be loaded.'; });
  }
  button.setAttribute('aria-expanded', String(Boolean(row.detail)));
}

rows.addEventListener('click', (event) => {
  const button = event.target.closest('.open');
  if (button) toggle(button);
});

// Sort and filter.

const groups = { '': 'All', attention: 'Need attention', healing: 'Being healed', running: 'Running', held: 'Held', unknown: 'Not known' };
const heads = $$('#workers thead th');
const filter = $('#filter');
const sort = { column: 1, down: false };
let chosen = '';

const value = (row) => {
  const cell = row.cells[sort.column];
  if (heads[sort.column].hasAttribute('data-text')) return cell.textContent.toLowerCase();
  const v = cell.dataset.v;
  if (sort.column === 6) return v || '~'; // a time; rows without one come last
  return Number(v);
};

function arrange() {
  const sorted = lines().map((row) => [value(row), hrefOf(row), row]);
  const order = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  sorted.sort((a, b) => (sort.down ? order(b[0], a[0]) : order(a[0], b[0])) || order(a[1], b[1]));
  let next = rows.firstElementChild;
  for (const [, , row] of sorted) {
    if (row !== next) move(row, next);
    next = row.nextElementSibling;
    if (!row.detail) continue;
    if (row.detail !== next) move(row.detail, next);
    next = row.detail.nextElementSibling;
  }
  sift();
}

function sift() {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  const counts = {};
  let seen = 0;
  const all = lines();
  for (const row of all) {
    row.text ??= row.textContent.toLowerCase();
    counts[row.dataset.group] = (counts[row.dataset.group] || 0) + 1;
    const fits = (!chosen || row.dataset.group === chosen) && words.every((word) => row.text.includes(word));
    if (row.hidden === fits) row.hidden = !fits;
    if (row.detail) row.detail.hidden = !fits;
    if (fits) seen++;
  }
  counts[''] = all.length;
  for (const chip of $$('#chips button')) {
    const n = counts[chip.value] || 0;
    chip.hidden = !n && chip.value !== chosen && chip.value !== '';
    chip.lastChild.textContent = n;
    chip.setAttribute('aria-pressed', String(chip.value === chosen));
  }
  $('#none').hidden = seen > 0;
  $('#none').textContent = all.length ? 'No worker fits the filter.' : 'No workers.';
  const found = words.length || chosen ? seen + ' of ' + all.length + ' workers shown' : '';
  if ($('#found').textContent !== found) $('#found').textContent = found;
}

heads.forEach((head, column) => {
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = head.textContent;
  head.replaceChildren(button);
  button.addEventListener('click', () => {
    const numbers = head.classList.contains('n') || column === 7; // the greatest comes first
    sort.down = sort.column === column ? !sort.down : numbers;
    sort.column = column;
    heads.forEach((other) => other.removeAttribute('aria-sort'));
    head.setAttribute('aria-sort', sort.down ? 'descending' : 'ascending');
    arrange();
  });
});

for (const [group, name] of Object.entries(groups)) {
  const chip = document.createElement('button');
  chip.type = 'button';
  chip.value = group;
  const count = document.createElement('span');
  count.className = 'count';
  chip.append(name, count);
  chip.addEventListener('click', () => { chosen = group; sift(); });
  $('#chips').append(chip);
}

filter.addEventListener('input', sift);
document.addEventListener('keydown', (event) => {
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
  if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    filter.focus();
  } else if (event.key === 'Escape' && event.target === filter && filter.value) {
    filter.value = '';
    sift();
  }
});

lines().forEach(dress);
$('#tools').hidden = false;
sift();
})();
