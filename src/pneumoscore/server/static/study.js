import { sendFilm } from './ask.js';

const input = document.getElementById('films');
const example = document.getElementById('example');
const progress = document.getElementById('progress');

input.addEventListener('change', async () => {
  const files = [...input.files];
  const failed = [];
  for (const [index, file] of files.entries()) {
    progress.textContent = `${index + 1} / ${files.length}`;
    try {
      await sendFilm(`/api/v1/studies/${input.dataset.study}/films?example=${example.checked}`, file);
    } catch (error) {
      failed.push(error.message);
    }
  }
  if (failed.length) progress.textContent = failed.join('; ');
  else window.location.reload();
});
