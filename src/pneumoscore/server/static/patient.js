// Two films of one patient side by side, their zoom, place and window linked.

import { FilmViewer, fetchFilm } from './viewer.js';

const compare = document.getElementById('compare');
const linked = document.getElementById('linked');
const base = `/api/v1/patients/${compare.dataset.patient}/films`;

function makeSide(figure) {
  const canvas = figure.querySelector('canvas');
  return {
    figure,
    canvas,
    viewer: new FilmViewer(canvas),
    choice: figure.querySelector('select'),
    small: figure.querySelector('.small-picture'),
    gone: figure.querySelector('.gone'),
    caption: figure.querySelector('figcaption'),
  };
}

const sides = [...compare.querySelectorAll('.side')].map(makeSide);

async function show(side, size) {
  const film = side.choice.value;
  const listed = document.querySelector(`.strip li[data-film="${film}"]`);
  side.caption.replaceChildren(...listed.querySelector('.caption').cloneNode(true).childNodes);
  let found = null;
  try {
    found = await fetchFilm(`${base}/${film}/view?size=${size}`);
  } catch {
    found = null;
  }
  if (side.choice.value !== film) return;
  const picture = listed.querySelector('img');
  side.canvas.hidden = found === null;
  side.gone.hidden = found !== null;
  side.small.hidden = found !== null || picture === null;
  if (found) {
    side.viewer.show(found);
  } else {
    side.viewer.clear();
    if (picture) side.small.src = picture.src;
  }
  side.figure.dataset.shown = found ? size : 'small';
}

function link() {
  if (sides.length !== 2) return;
  const [left, right] = sides.map((side) => side.viewer);
  left.partner = linked.checked ? right : null;
  right.partner = linked.checked ? left : null;
}

compare.hidden = false;
linked.addEventListener('change', link);
for (const side of sides) side.choice.addEventListener('change', () => show(side, 'screen'));
const last = sides.at(-1);
document.getElementById('invert').addEventListener('click', () => (linked.checked ? [last] : sides).forEach((side) => side.viewer.toggleInvert()));
document.getElementById('reset').addEventListener('click', () => sides.forEach((side) => side.viewer.reset(false)));
document.getElementById('full').addEventListener('click', () => sides.forEach((side) => show(side, 'full')));
link();
// First the page, then its films: they keep the browser busy.
await new Promise((done) => { requestAnimationFrame(() => setTimeout(done)); });
await Promise.all(sides.map((side) => show(side, 'screen')));
