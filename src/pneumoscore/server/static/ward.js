// The ward is made by the server; news reloads its table alone, and nothing but it.

const status = document.getElementById('live');
const POLL_MS = 30000;

async function reload() {
  const answer = await fetch(window.location.href, { headers: { Accept: 'text/html', 'X-Live': '1' } });
  if (answer.redirected || answer.status === 401) { ended(); return; }
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html').getElementById('ward');
  const shown = document.getElementById('ward');
  if (!fresh || fresh.innerHTML === shown.innerHTML) return;
  const focused = shown.contains(document.activeElement) ? document.activeElement.getAttribute('href') : null;
  const before = new Set([...shown.querySelectorAll('tbody tr')].map((row) => row.textContent));
  shown.replaceWith(fresh);
  for (const row of fresh.querySelectorAll('tbody tr')) {
    row.classList.toggle('new', before.size > 0 && !before.has(row.textContent));
  }
  if (focused) fresh.querySelector(`a[href="${CSS.escape(focused).replaceAll('\\/', '/')}"]`)?.focus();
}

function ended() {
  news.close();
  status.textContent = status.dataset.ended;
}

const news = new EventSource('/events');
news.addEventListener('open', () => { status.textContent = status.dataset.live; });
news.addEventListener('change', reload);
news.addEventListener('end', ended);
news.addEventListener('error', () => {
  if (news.readyState !== EventSource.CLOSED) return;
  // Too many pages listen: this one looks by itself now and then.
  status.textContent = status.dataset.still;
  setInterval(reload, POLL_MS);
});
