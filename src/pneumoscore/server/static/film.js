import { FilmViewer, fetchFilm } from './viewer.js';

const canvas = document.getElementById('film');
const viewer = new FilmViewer(canvas);
const scale = document.getElementById('scale');
const strength = document.getElementById('strength');

async function showMap() {
  if (!scale.value) { viewer.setMap(null); return; }
  const image = new Image();
  image.src = `${canvas.dataset.map}?scale=${scale.value}`;
  try {
    await image.decode();
    viewer.setMap(image);
  } catch {
    viewer.setMap(null);
  }
}

scale.addEventListener('change', showMap);
strength.addEventListener('input', () => viewer.setStrength(strength.value / 100));
document.getElementById('invert').addEventListener('click', () => viewer.toggleInvert());
document.getElementById('reset').addEventListener('click', () => viewer.reset());

async function showFull() {
  if (canvas.dataset.shown !== 'screen') return;
  canvas.dataset.shown = 'fetching';
  try {
    viewer.show(await fetchFilm(`${canvas.dataset.view}?size=full`));
    canvas.dataset.shown = 'full';
  } catch {
    canvas.dataset.shown = 'screen';
  }
}

// The copy is enough until its pixels can be told apart.
function sharpen() { if (viewer.view.scale > 1) showFull(); }

document.getElementById('full').addEventListener('click', showFull);
for (const kind of ['wheel', 'keyup', 'pointerup']) canvas.addEventListener(kind, sharpen);
const definitions = document.getElementById('definitions');
document.addEventListener('keydown', (event) => {
  const key = event.key.toLowerCase();
  if (event.target.matches('input, select, textarea') || event.ctrlKey || event.metaKey) return;
  if (key === 'd' && definitions) definitions.open = !definitions.open;
  if (key !== 'm') return;
  scale.selectedIndex = scale.value ? 0 : 1;
  showMap();
});

viewer.show(await fetchFilm(canvas.dataset.view));
canvas.dataset.shown = 'screen';
await showMap();
