import { ask } from './ask.js';

const form = document.getElementById('choice');
const take = document.getElementById('take');
const said = document.getElementById('drawn');
const words = said.dataset;
const url = `/api/v1/studies/${form.dataset.study}`;
let films = [];

function filled(text, values) {
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

function asked() {
  const given = new FormData(form);
  const number = (name) => Number(given.get(name));
  return {
    since: given.get('since') || null,
    until: given.get('until') || null,
    views: given.getAll('views'),
    number: given.get('number'),
    per_patient: number('per_patient'),
    per_day: number('per_day'),
    most: number('most'),
    seed: number('seed'),
  };
}

function sentences(found) {
  const counted = { gone: found.gone, changed: found.changed, inStudy: found.in_study, elsewhere: found.elsewhere, undated: found.undated };
  const left = Object.entries(counted).filter(([, count]) => count > 0)
    .map(([name, count]) => filled(words[name], { count }));
  return [filled(words.matching, found), filled(words.drawn, found), ...left, ...(found.ended ? [words.ended] : [])];
}

function offer(drawn) {
  films = drawn;
  take.hidden = films.length === 0;
  take.textContent = filled(words.take, { count: films.length });
}

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  offer([]);
  try {
    const found = await ask('POST', `${url}/draw`, asked());
    said.textContent = sentences(found).join('\n');
    offer(found.films);
  } catch (error) {
    said.textContent = error.message;
  }
});

// What is drawn belongs to what was asked for.
form.addEventListener('input', ({ target }) => { if (target.name !== 'example') offer([]); });

take.addEventListener('click', async () => {
  const example = form.elements.example.checked;
  const fields = form.querySelector('fieldset');
  const chosen = films;
  const failed = [];
  fields.disabled = true;
  for (const [index, film] of chosen.entries()) {
    try {
      await ask('POST', `${url}/films/recorded`, { film, example });
    } catch (error) {
      failed.push(filled(words.notAdded, { reason: error.message }));
    }
    said.textContent = filled(words.added, { n: index + 1 - failed.length, count: chosen.length });
  }
  offer([]);
  fields.disabled = false;
  if (failed.length) said.textContent = [said.textContent, ...failed].join('\n');
  else window.location.reload();
});

form.querySelector('fieldset').disabled = false;
