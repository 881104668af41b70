// The ward is made by the server; a change reloads its table alone.

async function reload() {
  const answer = await fetch(window.location.href, { headers: { Accept: 'text/html' } });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
  document.getElementById('ward').replaceWith(fresh.getElementById('ward'));
}

new EventSource('/events').addEventListener('change', reload);
