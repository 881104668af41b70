// Files of a drop or a choice: folders are walked, and of what they hold films are taken.

const IMAGES = /\.(dcm|dicom|dic|ima|png|jpe?g|jpe|tiff?|webp|bmp|jp2|j2k|zip)$/i;

function entries(reader) {
  return new Promise((resolve, reject) => { reader.readEntries(resolve, reject); });
}

function fileOf(entry) {
  return new Promise((resolve, reject) => { entry.file(resolve, reject); });
}

async function walk(entry, into) {
  if (entry.isFile) { into.push(await fileOf(entry)); return; }
  const reader = entry.createReader();
  // A reader gives a part of a long folder at a time.
  for (let part = await entries(reader); part.length > 0; part = await entries(reader)) {
    for (const inner of part) await walk(inner, into);
  }
}

async function saysDicom(file) {
  return (await file.slice(128, 132).text()) === 'DICM';
}

// What a folder holds is a film by its name's ending or by its content, as on the command line.
export async function films(files) {
  const found = [];
  for (const file of files) {
    if (file.name.startsWith('.') || file.name.toUpperCase() === 'DICOMDIR') continue;
    if (IMAGES.test(file.name) || await saysDicom(file)) found.push(file);
  }
  return found;
}

export async function dropped(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === 'file');
  const roots = items.map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (roots.every((root) => root.isFile)) return [...transfer.files];
  const found = [];
  for (const root of roots) {
    const inside = [];
    await walk(root, inside);
    found.push(...(root.isFile ? inside : await films(inside)));
  }
  return found;
}
