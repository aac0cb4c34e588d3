// Yipiao: keeps an open page current. It patches elements by id from the server's events, counts ages
// by the server's clock, and says when it no longer hears the server. Nothing is stored in the browser.

const body = document.body;
const words = body.dataset;
const silence = 10; // seconds without a message after which every age is replaced

let source = null;
let offset = 0; // server's clock minus this one, milliseconds
let heard = performance.now();

// ---- patching: make an element like its new version, keeping every node that can stay ----

const original = new WeakMap(); // text node -> text as sent, where legible() has rewritten it

function patchText(old, fresh) {
  if ((original.get(old) ?? old.data) === fresh.data) return;
  old.data = fresh.data;
  original.delete(old);
  const cell = old.parentElement;
  if (fresh.data.trim() !== '' && cell) mark(cell);
}

function mark(cell) {
  cell.classList.remove('changed');
  void cell.offsetWidth; // restart the fade
  cell.classList.add('changed');
}

function patchAttributes(old, fresh) {
  for (const a of fresh.getAttributeNames()) {
    if (old.getAttribute(a) !== fresh.getAttribute(a)) old.setAttribute(a, fresh.getAttribute(a));
  }
  for (const a of old.getAttributeNames()) {
    if (!fresh.hasAttribute(a)) old.removeAttribute(a);
  }
}

function patch(old, fresh) {
  if (old.nodeType === Node.TEXT_NODE) return patchText(old, fresh);
  if (old.nodeType !== Node.ELEMENT_NODE) return;
  if (old.dataset.present !== undefined) return; // counted here
  if (old.dataset.age && fresh.dataset.age) { // its text and colour are counted here
    for (const a of ['data-age', 'datetime']) {
      if (fresh.hasAttribute(a)) old.setAttribute(a, fresh.getAttribute(a));
    }
    return;
  }
  patchAttributes(old, fresh);
  patchChildren(old, fresh);
}

const alike = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && a.id === b.id;

function patchChildren(parent, fresh) {
  let at = parent.firstChild;
  for (const want of [...fresh.childNodes]) {
    let have = at;
    if (want.id) have = [...parent.children].find((c) => c.id === want.id) ?? null;
    if (have && alike(have, want)) {
      if (have === at) at = at.nextSibling;
      else parent.insertBefore(have, at);
      patch(have, want);
    } else {
      parent.insertBefore(want, at);
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

// ---- ages ----

const fill = (text, value) => text.replace('{1}', value);

function span(seconds) {
  if (seconds < 60) return fill(words.s, seconds);
  if (seconds < 3600) return fill(words.m, Math.floor(seconds / 60));
  if (seconds < 86400) return fill(words.h, Math.floor(seconds / 3600));
  return fill(words.d, Math.floor(seconds / 86400));
}

function day(ms) { // in Asia/Shanghai, which has no daylight saving time
  const d = new Date(ms + 8 * 3600e3).toISOString();
  return `${d.slice(5, 10)} ${d.slice(11, 16)}`;
}

const time = (ms) => new Date(ms + 8 * 3600e3).toISOString().slice(11, 19);

function showAge(chip, now) {
  if (chip.dataset.age === 'live') return setText(chip.lastElementChild, chip.dataset.text);
  const at = Date.parse(chip.getAttribute('datetime'));
  const seconds = Math.max(0, Math.floor((now - at) / 1000));
  const kind = chip.dataset.age;
  const late = (kind === 'ago' || kind === 'quiet') && seconds > 86400;
  setText(chip.lastElementChild, late ? day(at) : fill(words[kind] ?? words.ago, span(seconds)));
  chip.classList.toggle('old', kind === 'ago' && seconds > 300);
  chip.classList.toggle('never', kind === 'lost');
}

function setText(el, text) {
  if (el.textContent !== text) el.textContent = text;
}

function tick() {
  const silent = Math.floor((performance.now() - heard) / 1000);
  const stale = silent >= silence;
  body.classList.toggle('stale', stale);
  const now = Date.now() + offset;
  for (const chip of document.querySelectorAll('[data-age]')) {
    if (stale) setText(chip.lastElementChild, fill(words.stale, silent));
    else showAge(chip, now);
  }
  const present = document.querySelector('[data-present]');
  if (present && !stale) setText(present, time(now));
}

// ---- characters that this machine cannot draw: 〔U+2xxxx〕, never a box ----

const drawn = new Map();

function picture(text) {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 32;
  const g = canvas.getContext('2d', { willReadFrequently: true });
  g.font = `24px ${getComputedStyle(body).fontFamily}`;
  g.fillText(text, 2, 26);
  return g.getImageData(0, 0, 32, 32).data.join();
}

function canDraw(char) {
  if (!drawn.has(char)) drawn.set(char, picture(char) !== picture('\u{3fffd}'));
  return drawn.get(char);
}

function legible(root) {
  const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  for (let n = texts.nextNode(); n; n = texts.nextNode()) {
    const shown = n.data.replace(/[\u{20000}-\u{3ffff}]/gu, (c) =>
      canDraw(c) ? c : `〔U+${c.codePointAt(0).toString(16).toUpperCase()}〕`);
    if (shown === n.data) continue;
    original.set(n, n.data);
    n.data = shown;
  }
}

// ---- announcements: at most one in three seconds ----

let announced = -Infinity;

function announce() {
  const latest = document.querySelector('[data-latest]');
  if (!latest || performance.now() - announced < 3000) return;
  announced = performance.now();
  const read = [...latest.querySelectorAll('[data-read]')].map((e) => e.cloneNode(true));
  document.getElementById('announce').replaceChildren(...read);
}

// ---- the stream ----

function take(event) {
  const message = JSON.parse(event.data);
  if (message.version !== words.version) return location.reload();
  heard = performance.now();
  offset = message.time - Date.now();
  for (const part of message.parts ?? []) {
    const el = document.getElementById(part.id);
    if (!el) continue; // this document does not show it
    const fresh = document.createElement('template');
    fresh.innerHTML = part.html;
    patchChildren(el, fresh.content);
    legible(el);
  }
  if (message.seq > 1 && message.parts) announce();
  tick();
}

function listen() {
  source = new EventSource(words.live);
  source.addEventListener('patch', take);
  source.addEventListener('clock', take);
  source.addEventListener('error', () => {
    if (source.readyState === EventSource.CLOSED) setTimeout(again, 3000);
  });
}

// again asks why the stream was refused: logged out goes to the log-in page, anything else is retried.
async function again() {
  if (document.hidden) return;
  try {
    const answer = await fetch(words.live, { method: 'HEAD' });
    if (answer.status === 401) return location.assign('/login');
  } catch { /* not reachable: listen tries on */ }
  listen();
}

function pause() {
  source?.close();
  if (!document.hidden) listen();
}

// ---- the theme button: at once, without loading the page again ----

for (const button of document.querySelectorAll('[data-theme-to]')) {
  button.addEventListener('click', (e) => {
    e.preventDefault();
    document.documentElement.dataset.theme = button.dataset.themeTo;
    fetch(button.href); // the server remembers it in a cookie
  });
}

for (const button of document.querySelectorAll('[data-print]')) button.addEventListener('click', () => print());

body.addEventListener('animationend', (e) => e.target.classList.remove('changed'));
legible(body);
if (words.live) {
  listen();
  tick();
  setInterval(tick, 1000);
  document.addEventListener('visibilitychange', pause);
}
