// What makes a page live. A page that only shows works without this script.
//
// `<body data-live="/path">` names a stream of ticks. After a tick the page is fetched once more, and the content of each
// element with `data-part` is replaced by the new one. So the server draws everything once, and there is nothing to keep
// in step with it here.

const body = document.body;
const sign = document.querySelector('[data-live-sign]');
// Read before `mark` takes the attribute away.
const { on: liveWord, off: notLiveWord } = sign?.dataset ?? {};
let stream = null;
let isFetching = false;
let again = false;
let retry = 0;

/** Whether the reader is at work in this element: what is being typed or chosen must not be taken away. */
const isInUse = (part) => {
  const active = document.activeElement;
  return part.contains(active) && active.matches('input, select, textarea, button, summary') || part.querySelector('dialog[open]');
};

async function refresh() {
  if (isFetching) { again = true; return; }
  isFetching = true;
  try {
    const answer = await fetch(location.href, { headers: { 'x-part': 'live' }, redirect: 'manual' });
    // The session is over: the page itself leads to the login.
    if (answer.type === 'opaqueredirect') { location.reload(); return; }
    if (answer.ok) {
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
      for (const part of document.querySelectorAll('[data-part]')) {
        const fresh = page.querySelector(`[data-part="${CSS.escape(part.dataset.part)}"]`);
        if (fresh && fresh.innerHTML !== part.innerHTML && !isInUse(part)) part.innerHTML = fresh.innerHTML;
      }
      localTimes();
    }
    done(answer.ok);
  } catch {
    done(false);
  }
  isFetching = false;
  if (again) { again = false; refresh(); }
}

/** The page shows how things are, or tries again soon: the next tick may be far away. */
function done(isShown) {
  mark(isShown);
  clearTimeout(retry);
  if (!isShown) retry = setTimeout(() => { if (!document.hidden) refresh(); }, 5000);
}

function mark(isLive) {
  if (!sign) return;
  sign.toggleAttribute('data-on', isLive);
  sign.textContent = isLive ? liveWord : notLiveWord;
}

function listen() {
  if (stream || !body.dataset.live) return;
  stream = new EventSource(body.dataset.live);
  stream.addEventListener('open', () => mark(true));
  stream.addEventListener('tick', refresh);
  stream.addEventListener('error', () => {
    mark(false);
    // The session is over, or the server refuses: a browser does not try again by itself.
    if (stream.readyState === EventSource.CLOSED) { stream = null; setTimeout(() => { listen(); refresh(); }, 5000); }
  });
}

// A page that nobody looks at asks for nothing.
document.addEventListener('visibilitychange', () => {
  if (document.hidden) { stream?.close(); stream = null; } else { listen(); if (body.dataset.live) refresh(); }
});
if (body.dataset.live && !document.hidden) listen();

/** Shows each time in the reader's own time zone; the server's text stays as the title. */
function localTimes() {
  for (const element of document.querySelectorAll('time[datetime]:not([title])')) {
    const at = new Date(element.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    element.title = element.textContent;
    const isToday = at.toDateString() === new Date().toDateString();
    const date = { year: 'numeric', month: '2-digit', day: '2-digit' };
    const time = { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' };
    element.textContent = at.toLocaleString(document.documentElement.lang, isToday && !element.dataset.full ? time : { ...date, ...time });
  }
}
localTimes();

/** Says in which time zone the times are. */
for (const element of document.querySelectorAll('[data-zone]')) {
  const name = new Intl.DateTimeFormat(document.documentElement.lang, { timeZoneName: 'longOffset' }).formatToParts()
    .find((part) => part.type === 'timeZoneName')?.value.replace('GMT', 'UTC');
  element.textContent = element.dataset.zone.replace('#', `${Intl.DateTimeFormat().resolvedOptions().timeZone} (${name})`);
}

// On a narrow screen the navigation is one long line: the page's own entry comes into view.
const here = document.querySelector('.nav [aria-current]');
if (here) {
  const line = here.closest('.nav');
  line.scrollLeft = here.offsetLeft - (line.clientWidth - here.offsetWidth) / 2;
}

// A button that cannot be undone asks once more.
document.addEventListener('submit', (event) => {
  const question = event.submitter?.dataset.confirm ?? event.target.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});

// A choice that needs no button.
document.addEventListener('change', (event) => {
  if (event.target.matches('select[data-submit]')) event.target.form.requestSubmit();
});

// A form that shows what it makes while one types: it is sent as its button that only checks would send it.
let typing = 0;
document.addEventListener('input', (event) => {
  const form = event.target.closest('form[data-preview]');
  if (!form) return;
  clearTimeout(typing);
  typing = setTimeout(async () => {
    const body = new URLSearchParams(new FormData(form));
    body.set('do', 'check');
    const answer = await fetch(location.pathname, { method: 'POST', body, redirect: 'error' }).catch(() => null);
    if (!answer?.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    for (const part of document.querySelectorAll('[data-part]')) {
      const fresh = page.querySelector(`[data-part="${CSS.escape(part.dataset.part)}"]`);
      if (fresh) part.innerHTML = fresh.innerHTML;
    }
  }, 250);
});

// What is to be copied.
document.addEventListener('click', async (event) => {
  const button = event.target.closest('[data-copy]');
  if (!button) return;
  const text = document.getElementById(button.dataset.copy)?.textContent ?? '';
  try { await navigator.clipboard.writeText(text.trim()); button.textContent = button.dataset.copied ?? button.textContent; } catch { /* the text can be selected */ }
});

// `/` goes to the search box.
document.addEventListener('keydown', (event) => {
  if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || event.target.matches('input, textarea, select')) return;
  const box = document.querySelector('[type="search"]');
  if (box) { event.preventDefault(); box.focus(); }
});
