// Downloads a list with a count of the rows that have come. Without this script its links are plain downloads.
//
// An element with `data-export` has links to files, a bar, a status with its texts, and a button that stops. A file begins with
// what the server sends first, and is saved when its last row has come.

/** Counts the rows of a file as its pieces come. In CSV a line that ends inside a quoted cell is not the end of a row. */
const counter = (isCsv) => {
  let rows = isCsv ? -1 : 0;
  let isQuoted = false;
  return (piece) => {
    for (const byte of piece) {
      if (byte === 0x22 && isCsv) isQuoted = !isQuoted;
      else if (byte === 0x0a && !isQuoted) rows += 1;
    }
    return Math.max(rows, 0);
  };
};

/** The name that the server gives the file. */
const nameOf = (answer) => /filename="([^"]+)"/.exec(answer.headers.get('content-disposition') ?? '')?.[1] ?? 'export';

function save(pieces, answer) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob(pieces, { type: answer.headers.get('content-type') ?? '' }));
  link.download = nameOf(answer);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

for (const place of document.querySelectorAll('[data-export]')) {
  const [bar, status, stop] = ['progress', '[role="status"]', 'button'].map((one) => place.querySelector(one));
  const tell = (text, rows) => { status.textContent = text.replace('#', rows.toLocaleString(document.documentElement.lang)); };
  let running = null;

  async function download(href) {
    const own = running = new AbortController();
    const answer = await fetch(href, { signal: own.signal, redirect: 'error' });
    // A page says why.
    if (!answer.ok || !answer.body) { location.href = href; return; }
    const count = counter((answer.headers.get('content-type') ?? '').startsWith('text/csv'));
    const pieces = [];
    let rows = 0;
    for (const reader = answer.body.getReader(); ;) {
      const { done, value } = await reader.read();
      if (done) break;
      pieces.push(value);
      rows = count(value);
      tell(status.dataset.rows, rows);
    }
    save(pieces, answer);
    tell(status.dataset.done, rows);
  }

  place.addEventListener('click', async (event) => {
    const link = event.target.closest('a');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (running) return;
    bar.hidden = stop.hidden = false;
    try {
      await download(link.href);
    } catch (why) {
      tell(why.name === 'AbortError' ? '' : status.dataset.failed, 0);
    }
    bar.hidden = stop.hidden = true;
    running = null;
  });
  stop.addEventListener('click', () => running?.abort());
}
