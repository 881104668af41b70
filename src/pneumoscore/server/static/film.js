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
document.getElementById('full').addEventListener('click', async () => {
  viewer.show(await fetchFilm(`${canvas.dataset.view}?size=full`));
  canvas.dataset.shown = 'full';
});
canvas.addEventListener('keydown', (event) => {
  if (event.key.toLowerCase() !== 'm') return;
  scale.selectedIndex = scale.value ? 0 : 1;
  showMap();
});

viewer.show(await fetchFilm(canvas.dataset.view));
canvas.dataset.shown = 'screen';
await showMap();
