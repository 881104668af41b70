import { ask, sendFilm } from './ask.js';

const table = document.getElementById('films');
const body = table.tBodies[0];
const none = document.getElementById('none');
const progress = document.getElementById('progress');
const drop = document.getElementById('drop');
const input = document.getElementById('files');
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

let waiting = false;

async function refresh() {
  const films = await ask('GET', '/api/v1/films');
  body.replaceChildren();
  films.forEach(line);
  none.hidden = films.length > 0;
  waiting = films.some((film) => film.state === 'waiting');
}

async function send(files) {
  const failed = [];
  let sent = 0;
  for (const file of files) {
    progress.textContent = `${words.sending} ${sent + 1} / ${files.length}`;
    try {
      await sendFilm('/api/v1/films', file);
    } catch (error) {
      failed.push(`${file.name}: ${words.notSent}, ${error.message}`);
    }
    sent += 1;
    await refresh();
  }
  progress.textContent = failed.join('; ');
}

drop.addEventListener('dragover', (event) => { event.preventDefault(); drop.classList.add('over'); });
drop.addEventListener('dragleave', () => drop.classList.remove('over'));
drop.addEventListener('drop', (event) => {
  event.preventDefault();
  drop.classList.remove('over');
  send([...event.dataTransfer.files]);
});
input.addEventListener('change', () => { send([...input.files]); input.value = ''; });
new EventSource('/events').addEventListener('change', refresh);
setInterval(() => { if (waiting) refresh(); }, 1500);
await refresh();
