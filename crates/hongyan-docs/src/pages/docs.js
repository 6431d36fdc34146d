// Searches while somebody types, on the page of the search. Without this script the page searches when its form is sent.

const found = document.querySelector('[data-part="found"]');
const box = document.querySelector('.seek input');
let typing = 0;
let latest = 0;

async function search() {
  latest += 1;
  const mine = latest;
  const address = `${box.form.action}?${new URLSearchParams(new FormData(box.form))}`;
  const answer = await fetch(address).catch(() => null);
  if (!answer?.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  // An answer that comes late must not replace a newer one.
  if (mine !== latest) return;
  found.innerHTML = page.querySelector('[data-part="found"]').innerHTML;
  history.replaceState(null, '', address);
}

if (found && box) {
  box.addEventListener('input', () => { clearTimeout(typing); typing = setTimeout(search, 150); });
  box.focus();
  box.setSelectionRange(box.value.length, box.value.length);
}

// The list of pages shows the page's own entry.
const here = document.querySelector('.contents [aria-current]');
if (here) {
  const list = here.closest('.nav');
  list.scrollTop = here.offsetTop - list.clientHeight / 2;
}
