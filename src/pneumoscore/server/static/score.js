import { ask, sendFilm } from './ask.js';
import { dropped, films as filmsAmong } from './dropped.js';

const table = document.getElementById('films');
const body = table.tBodies[0];
const none = document.getElementById('none');
const progress = document.getElementById('progress');
const drop = document.getElementById('drop');
const input = document.getElementById('files');
const folder = document.getElementById('folder');
const words = table.dataset;

function cell(row, text, number = false) {
  const made = row.insertCell();
  made.textContent = text;
  if (number) made.className = 'number';
  return made;
}

function shownScore(part) {
  if (!part) return '';
  const interval = part.low === null || part.low === undefined ? '' : ` (${part.low.toFixed(1)} to ${part.high.toFixed(1)})`;
  return `${part.value.toFixed(1)}${interval}`;
}

function line(film) {
  const row = body.insertRow();
  row.dataset.film = film.id;
  row.dataset.state = film.state;
  const name = row.insertCell();
  if (film.state === 'done' || film.state === 'failed') {
    const link = document.createElement('a');
    link.href = `/films/${film.id}`;
    link.textContent = film.name;
    name.append(link);
  } else {
    name.textContent = film.name;
  }
  cell(row, film.error ? `${words.failed}: ${film.error}` : words[film.state] ?? film.state);
  const scores = film.score?.scores ?? {};
  cell(row, shownScore(scores.geographic_extent), true);
  cell(row, shownScore(scores.opacity), true);
  cell(row, (film.score?.flags ?? film.flags ?? []).join(', ').replaceAll('_', ' '));
  const button = document.createElement('button');
  button.className = 'plain';
  button.textContent = words.delete;
  button.addEventListener('click', async () => { await ask('DELETE', `/api/v1/films/${film.id}`); await refresh(); });
  row.insertCell().append(button);
}

const AT_ONCE = 3;
const sending = new Map();
let waiting = false;

function sendingLine({ name, share, problem }) {
  const row = body.insertRow();
  row.dataset.state = problem ? 'not-sent' : 'sending';
  cell(row, name);
  const state = cell(row, problem ? `${words.notSent}: ${problem}` : `${words.sending} ${Math.round(100 * share)} %`);
  if (!problem) {
    const bar = document.createElement('progress');
    bar.value = share;
    bar.setAttribute('aria-label', `${words.sending} ${name}`);
    state.append(' ', bar);
  }
  for (let left = 4; left > 0; left -= 1) row.insertCell();
}

let known = [];

function draw() {
  body.replaceChildren();
  [...sending.values()].forEach(sendingLine);
  known.forEach(line);
  none.hidden = known.length + sending.size > 0;
}

async function refresh(live = false) {
  known = await ask('GET', '/api/v1/films', undefined, { live });
  waiting = known.some((film) => film.state === 'waiting');
  draw();
}

function passedOver(counts) {
  return Object.entries(counts).map(([why, count]) => `${count} ${why}`).join(', ');
}

async function sendOne(file, said) {
  const key = Symbol(file.name);
  const state = { name: file.name, share: 0, problem: '' };
  sending.set(key, state);
  try {
    const taken = await sendFilm('/api/v1/films', file, (share) => { state.share = share; draw(); });
    sending.delete(key);
    const over = passedOver(taken.passed_over);
    if (over) said.push(words.passedOver.replace('{name}', file.name).replace('{counts}', over));
  } catch (error) {
    state.problem = error.message;
  }
}

async function send(files) {
  const left = [...files];
  const said = [];
  let sent = 0;
  for (const [key, { problem }] of sending) if (problem) sending.delete(key);
  const lane = async () => {
    while (left.length > 0) {
      await sendOne(left.shift(), said);
      sent += 1;
      progress.textContent = words.sent.replace('{n}', sent).replace('{count}', files.length);
      await refresh();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  progress.textContent = [progress.textContent, ...said].join(' ');
}

drop.addEventListener('dragover', (event) => { event.preventDefault(); drop.classList.add('over'); });
drop.addEventListener('dragleave', () => drop.classList.remove('over'));
drop.addEventListener('drop', async (event) => {
  event.preventDefault();
  drop.classList.remove('over');
  await send(await dropped(event.dataTransfer));
});
input.addEventListener('change', () => { send([...input.files]); input.value = ''; });
folder.addEventListener('change', async () => {
  const chosen = [...folder.files];
  folder.value = '';
  await send(await filmsAmong(chosen));
});
new EventSource('/events').addEventListener('change', () => refresh(true));
setInterval(() => { if (waiting) refresh(true); }, 1500);
await refresh();
