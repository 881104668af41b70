import { ask } from './ask.js';
import { FilmViewer, fetchFilm } from './viewer.js';

const room = document.getElementById('room');
const instructions = document.getElementById('instructions');
const screens = document.getElementById('screens');
const form = document.getElementById('answer');
const single = document.getElementById('single');
const pair = document.getElementById('pair');
const reason = document.getElementById('reason');
const where = document.getElementById('where');
const said = document.getElementById('said');
const base = `/api/v1/reading/${room.dataset.study}`;
const SCORES = ['extent_right', 'extent_left', 'opacity_right', 'opacity_left'];

let item = null;
let viewers = [];
let began = 0;

function say(text) { said.textContent = text; }

function chosen(name) {
  const found = form.querySelector(`input[name="${name}"]:checked`);
  return found ? Number(found.value) : null;
}

function fill(answer) {
  form.reset();
  for (const name of [...SCORES, 'change']) {
    const value = answer?.[name];
    if (value !== null && value !== undefined) {
      form.querySelector(`input[name="${name}"][value="${value}"]`).checked = true;
    }
  }
  form.elements.cannot.checked = Boolean(answer?.cannot_assess);
  form.elements.reason.value = answer?.cannot_assess ?? '';
  form.elements.comment.value = answer?.comment ?? '';
  reason.hidden = !form.elements.cannot.checked;
}

async function screen(view, label) {
  const canvas = document.createElement('canvas');
  canvas.className = 'viewer';
  canvas.width = 900;
  canvas.height = 900;
  canvas.tabIndex = 0;
  canvas.setAttribute('role', 'img');
  canvas.setAttribute('aria-label', label);
  screens.append(canvas);
  const viewer = new FilmViewer(canvas);
  viewer.show(await fetchFilm(view));
  return viewer;
}

async function show(position, count) {
  item = await ask('GET', `${base}/items/${position}`);
  const isPair = item.views.length === 2;
  single.hidden = isPair;
  pair.hidden = !isPair;
  where.textContent = room.dataset.item.replace('{n}', position + 1).replace('{count}', count);
  screens.replaceChildren();
  screens.className = isPair ? 'screens two' : 'screens';
  fill(item.answer);
  viewers = await Promise.all(item.views.map((view, index) => screen(view, `${where.textContent}, ${index + 1}`)));
  if (isPair) {
    [viewers[0].partner, viewers[1].partner] = [viewers[1], viewers[0]];
  }
  began = performance.now();
  room.dataset.position = position;
  form.querySelector(`${isPair ? '#pair' : '#single'} input`)?.focus();
}

async function go(progress) {
  if (progress.done) {
    screens.replaceChildren();
    form.hidden = true;
    where.textContent = room.dataset.over;
    room.dataset.position = 'over';
    say('');
    return;
  }
  if (progress.next === null) {
    say(room.dataset.done);
    room.dataset.position = 'done';
    return;
  }
  if (progress.break_due) say(room.dataset.break);
  await show(progress.next, progress.count);
}

function answer() {
  const isPair = item.views.length === 2;
  const cannot = form.elements.cannot.checked;
  const given = { seconds: (performance.now() - began) / 1000, comment: form.elements.comment.value };
  if (cannot) return { ...given, cannot_assess: form.elements.reason.value };
  if (isPair) return { ...given, change: chosen('change') };
  return { ...given, ...Object.fromEntries(SCORES.map((name) => [name, chosen(name)])) };
}

// One step at a time: what is pressed while a step is on its way would belong to another item.
async function step(take) {
  const { position } = room.dataset;
  if (position === undefined) return;
  delete room.dataset.position;
  try {
    await take();
  } finally {
    room.dataset.position ??= position;
  }
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  step(async () => {
    try {
      const progress = await ask('PUT', `${base}/items/${item.position}`, answer());
      say(room.dataset.saved);
      await go(progress);
    } catch (error) {
      say(room.dataset.notSaved.replace('{reason}', error.message));
    }
  });
});
form.elements.cannot.addEventListener('change', () => {
  reason.hidden = !form.elements.cannot.checked;
  if (!reason.hidden) form.elements.reason.focus();
});

async function back() {
  const progress = await ask('GET', `${base}/progress`);
  if (item && item.position > progress.first_open) await show(item.position - 1, progress.count);
}

function pause() { return step(async () => go(await ask('POST', `${base}/end-sitting`))); }

document.getElementById('back').addEventListener('click', back);
document.getElementById('pause').addEventListener('click', pause);
document.addEventListener('keydown', (event) => {
  if (event.defaultPrevented || room.hidden || event.target.matches('input[name="comment"], input[name="reason"], textarea')) return;
  const row = document.activeElement?.closest('fieldset[data-row]');
  if (row && /^[0-4]$/.test(event.key)) {
    const found = row.querySelector(`input[value="${event.key}"]`);
    if (found) { found.checked = true; found.focus(); event.preventDefault(); }
  } else if (event.key === 'Enter' && event.target.tagName !== 'BUTTON') {
    event.preventDefault();
    form.requestSubmit();
  } else if (event.key.toLowerCase() === 'b') {
    back();
  } else if (['i', 'r'].includes(event.key.toLowerCase())) {
    viewers[0]?.key(event.key);
  }
});

async function begin() {
  instructions.hidden = true;
  room.hidden = false;
  await go(await ask('GET', `${base}/progress`));
}

for (const canvas of document.querySelectorAll('canvas.example')) {
  const viewer = new FilmViewer(canvas);
  fetchFilm(canvas.dataset.view).then((film) => viewer.show(film));
}
document.getElementById('begin').addEventListener('click', begin);
if (instructions.hidden) await begin();
