// Requests that change something bring the page's own token.

const csrf = () => document.querySelector('meta[name="csrf"]')?.content ?? '';

export async function ask(method, url, body) {
  const options = { method, headers: { 'X-CSRF-Token': csrf() } };
  if (body !== undefined) {
    options.headers['Content-Type'] = 'application/json';
    options.body = JSON.stringify(body);
  }
  const answer = await fetch(url, options);
  const told = answer.status === 204 ? null : await answer.json();
  if (!answer.ok) throw new Error(typeof told.detail === 'string' ? told.detail : `${answer.status}`);
  return told;
}

export async function sendFilm(url, file) {
  const answer = await fetch(url, {
    method: 'POST',
    headers: {
      'X-CSRF-Token': csrf(),
      'X-Film-Name': encodeURIComponent(file.name),
      'Content-Type': 'application/octet-stream',
    },
    body: file,
  });
  const told = await answer.json();
  if (!answer.ok) throw new Error(typeof told.detail === 'string' ? told.detail : `${answer.status}`);
  return told;
}
