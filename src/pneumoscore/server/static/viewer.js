// One film on a canvas: window and level, zoom, pan, invert, a map laid over it.
// Grey levels come as rows and columns (two uint32) and uint16 values, little-endian.

const LEVELS = 65536;
const FULL = { centre: 0.5, width: 1 };

export async function fetchFilm(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${answer.status}`);
  const bytes = await answer.arrayBuffer();
  const [rows, columns] = new Uint32Array(bytes, 0, 2);
  return { rows, columns, values: new Uint16Array(bytes, 8) };
}

export class FilmViewer {
  constructor(canvas) {
    this.canvas = canvas;
    this.film = null;
    this.map = null;
    this.strength = 0.7;
    this.invert = false;
    this.window = { ...FULL };
    this.view = { scale: 1, x: 0, y: 0 };
    this.partner = null;
    this.pointers = new Map();
    this.lut = new Uint32Array(LEVELS);
    this.image = document.createElement('canvas');
    this.#listen();
  }

  show(film) {
    const same = this.film && this.film.columns / this.film.rows === film.columns / film.rows;
    const before = this.film;
    this.film = film;
    this.image.width = film.columns;
    this.image.height = film.rows;
    this.pixels = new ImageData(film.columns, film.rows);
    this.#grey();
    if (before && Math.abs(before.columns / before.rows - film.columns / film.rows) < 0.01) {
      this.view.scale *= before.columns / film.columns;
      this.draw();
    } else if (!same) {
      this.fit();
    } else {
      this.draw();
    }
  }

  clear() {
    this.film = null;
    this.map = null;
    this.window = { ...FULL };
    this.invert = false;
    this.canvas.getContext('2d').clearRect(0, 0, this.canvas.width, this.canvas.height);
  }

  setMap(image) { this.map = image; this.draw(); }

  setStrength(share) { this.strength = share; this.draw(); }

  toggleInvert(linked = true) {
    this.invert = !this.invert;
    this.#grey();
    this.draw();
    if (linked && this.partner) this.partner.toggleInvert(false);
  }

  reset(linked = true) {
    this.window = { ...FULL };
    this.invert = false;
    this.#grey();
    this.fit();
    if (linked && this.partner) this.partner.reset(false);
  }

  fit() {
    if (!this.film) return;
    const { width, height } = this.canvas;
    const scale = Math.min(width / this.film.columns, height / this.film.rows);
    this.view = {
      scale,
      x: (width - this.film.columns * scale) / 2,
      y: (height - this.film.rows * scale) / 2,
    };
    this.draw();
  }

  zoom(factor, x = this.canvas.width / 2, y = this.canvas.height / 2, linked = true) {
    if (!this.film) return;
    this.view.x = x - (x - this.view.x) * factor;
    this.view.y = y - (y - this.view.y) * factor;
    this.view.scale *= factor;
    this.draw();
    if (linked && this.partner) this.partner.zoom(factor, x, y, false);
  }

  pan(x, y, linked = true) {
    this.view.x += x;
    this.view.y += y;
    this.draw();
    if (linked && this.partner) this.partner.pan(x, y, false);
  }

  level(width, centre, linked = true) {
    this.window.width = Math.min(4, Math.max(0.01, this.window.width + width));
    this.window.centre = Math.min(2, Math.max(-1, this.window.centre + centre));
    this.#grey();
    this.draw();
    if (linked && this.partner) this.partner.level(width, centre, false);
  }

  draw() {
    if (!this.film) return;
    const context = this.canvas.getContext('2d');
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = '#000';
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    context.setTransform(this.view.scale, 0, 0, this.view.scale, this.view.x, this.view.y);
    context.imageSmoothingQuality = 'high';
    context.drawImage(this.image, 0, 0);
    if (this.map) {
      context.globalAlpha = this.strength;
      context.drawImage(this.map, 0, 0, this.film.columns, this.film.rows);
      context.globalAlpha = 1;
    }
  }

  #grey() {
    if (!this.film) return;
    const low = this.window.centre - this.window.width / 2;
    const factor = 255 / this.window.width;
    for (let value = 0; value < LEVELS; value += 1) {
      let grey = Math.round(Math.min(255, Math.max(0, (value / (LEVELS - 1) - low) * factor)));
      if (this.invert) grey = 255 - grey;
      this.lut[value] = (0xff000000 | (grey << 16) | (grey << 8) | grey) >>> 0;
    }
    const out = new Uint32Array(this.pixels.data.buffer);
    const { values } = this.film;
    for (let place = 0; place < out.length; place += 1) out[place] = this.lut[values[place]];
    this.image.getContext('2d').putImageData(this.pixels, 0, 0);
  }

  #place(event) {
    const box = this.canvas.getBoundingClientRect();
    return {
      x: ((event.clientX - box.left) * this.canvas.width) / box.width,
      y: ((event.clientY - box.top) * this.canvas.height) / box.height,
    };
  }

  #listen() {
    const { canvas } = this;
    canvas.addEventListener('wheel', (event) => {
      event.preventDefault();
      const at = this.#place(event);
      this.zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15, at.x, at.y);
    }, { passive: false });
    canvas.addEventListener('pointerdown', (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, this.#place(event));
    });
    canvas.addEventListener('pointermove', (event) => this.#move(event));
    for (const kind of ['pointerup', 'pointercancel']) {
      canvas.addEventListener(kind, (event) => this.pointers.delete(event.pointerId));
    }
    canvas.addEventListener('keydown', (event) => { if (this.key(event.key)) event.preventDefault(); });
  }

  #move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const at = this.#place(event);
    if (this.pointers.size === 2) {
      const [other] = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, p]) => p);
      const apart = (p) => Math.hypot(p.x - other.x, p.y - other.y) || 1;
      this.zoom(apart(at) / apart(before), other.x, other.y);
    } else if (event.shiftKey || event.buttons === 4) {
      this.pan(at.x - before.x, at.y - before.y);
    } else {
      this.level((at.x - before.x) / 800, (before.y - at.y) / -800);
    }
    this.pointers.set(event.pointerId, at);
  }

  key(name) {
    const keys = {
      '+': () => this.zoom(1.2),
      '-': () => this.zoom(1 / 1.2),
      i: () => this.toggleInvert(),
      r: () => this.reset(),
      ArrowUp: () => this.level(0, 0.02),
      ArrowDown: () => this.level(0, -0.02),
      ArrowLeft: () => this.level(-0.04, 0),
      ArrowRight: () => this.level(0.04, 0),
    };
    const act = keys[name.length === 1 ? name.toLowerCase() : name];
    if (!act) return false;
    act();
    return true;
  }
}
