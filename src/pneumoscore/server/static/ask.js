// Requests that change something bring the page's own token.

const csrf = () => document.querySelector('meta[name="csrf"]')?.content ?? '';

// What a page asks by itself (live) keeps no session open.
export async function ask(method, url, body, { live = false } = {}) {
  const options = { method, headers: { 'X-CSRF-Token': csrf() } };
  if (live) options.headers['X-Live'] = '1';
  if (body !== undefined) {
    options.headers['Content-Type'] = 'application/json';
    options.body = JSON.stringify(body);
  }
  const answer = await fetch(url, options);
  const told = answer.status === 204 ? null : await answer.json();
  if (!answer.ok) throw new Error(typeof told.detail === 'string' ? told.detail : `${answer.status}`);
  return told;
}

// XMLHttpRequest, because fetch does not say how much of a body is sent.
export function sendFilm(url, file, onProgress = () => {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', url);
    request.setRequestHeader('X-CSRF-Token', csrf());
    request.setRequestHeader('X-Film-Name', encodeURIComponent(file.name));
    request.setRequestHeader('Content-Type', 'application/octet-stream');
    request.upload.addEventListener('progress', (event) => onProgress(event.loaded / file.size));
    request.addEventListener('error', () => reject(new Error('the connection broke')));
    request.addEventListener('load', () => {
      let told = {};
      try { told = JSON.parse(request.responseText); } catch { /* a proxy's own page */ }
      if (request.status < 300) resolve(told);
      else reject(new Error(typeof told.detail === 'string' ? told.detail : `${request.status}`));
    });
    request.send(file);
  });
}
