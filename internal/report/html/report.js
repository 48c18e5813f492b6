(() => {
  'use strict';
  const $ = (s, e) => (e || document).querySelector(s), $$ = (s, e) => [...(e || document).querySelectorAll(s)];
  const root = document.documentElement;

  // Theme: what the system says, until somebody chooses.
  const theme = $('#theme'), themes = ['auto', 'light', 'dark'], key = 'iflowtest-theme';
  const stored = () => { try { return localStorage.getItem(key); } catch { return null; } };
  const paint = t => {
    if (t === 'auto') delete root.dataset.theme; else root.dataset.theme = t;
    theme.textContent = 'Theme: ' + t;
  };
  let chosen = themes.includes(stored()) ? stored() : 'auto';
  paint(chosen);
  theme.hidden = false;
  theme.onclick = () => {
    paint(chosen = themes[(themes.indexOf(chosen) + 1) % themes.length]);
    try { localStorage.setItem(key, chosen); } catch { /* a file may have no storage */ }
  };

  // Filter: units are scenarios and rows. Their text is gathered when it is
  // first searched.
  const form = $('#filter'), count = $('#count');
  let units;
  const all = () => units ||= $$('.u').map(el => {
    const below = el.tagName === 'TR' && el.nextElementSibling?.classList.contains('d') ? el.nextElementSibling : null;
    return { el, below, outcome: el.classList[1], tags: el.dataset.t ? el.dataset.t.split(' ') : [] };
  });
  const text = u => {
    if (u.text === undefined) {
      const group = u.el.closest('.g');
      u.text = [u.el.closest('.file').firstElementChild, group && group.firstElementChild, u.el, u.below]
        .map(e => e ? e.textContent : '').join('\n').toLowerCase();
    }
    return u.text;
  };
  const hide = (el, yes) => { if (el.hidden !== yes) el.hidden = yes; };
  const apply = () => {
    const data = new FormData(form), outcomes = data.getAll('o'), tag = data.get('tag');
    const words = data.get('q').toLowerCase().split(/\s+/).filter(Boolean);
    const alive = new Set();
    let shown = 0;
    for (const u of all()) {
      const yes = (!outcomes.length || outcomes.includes(u.outcome)) && (!tag || u.tags.includes(tag)) && words.every(w => text(u).includes(w));
      hide(u.el, !yes);
      if (u.below) hide(u.below, !yes);
      if (!yes) continue;
      shown++;
      for (let e = u.el.parentElement; e.id !== 'results' && !alive.has(e); e = e.parentElement) alive.add(e);
    }
    for (const e of $$('.c,.g,.file')) hide(e, !alive.has(e));
    count.textContent = shown === units.length ? units.length + (units.length === 1 ? ' scenario' : ' scenarios') : shown + ' of ' + units.length + (units.length === 1 ? ' scenario' : ' scenarios');
  };
  let later;
  form.hidden = false;
  count.textContent = '';
  form.addEventListener('input', e => { clearTimeout(later); if (e.target.name === 'q') later = setTimeout(apply, 120); else apply(); });
  form.addEventListener('submit', e => { e.preventDefault(); apply(); });
  form.addEventListener('reset', () => setTimeout(apply));

  // Folding, and going from failure to failure.
  const failing = () => $$('details.u.f,details.u.e,details.g.f,details.g.e').filter(e => !e.closest('[hidden]'));
  const fold = $('#fold');
  const label = () => { fold.textContent = fold.dataset.open ? 'Fold all' : 'Unfold failures'; };
  label();
  fold.onclick = () => {
    if (fold.dataset.open) { for (const e of $$('.u[open],.g[open]')) e.open = false; delete fold.dataset.open; }
    else { for (const e of failing()) e.open = true; fold.dataset.open = 1; }
    label();
  };
  const stops = () => $$('.u.f,.u.e').filter(e => !e.closest('[hidden]'));
  let at = null;
  const reveal = e => {
    for (let d = e.closest('details'); d; d = d.parentElement.closest('details')) d.open = true;
    const goal = e.tagName === 'TR' ? e : e.firstElementChild;
    if (e.tagName === 'TR') e.tabIndex = -1;
    root.style.scrollPaddingTop = (getComputedStyle(form).position === 'sticky' ? form.offsetHeight + 8 : 8) + 'px';
    e.scrollIntoView({ block: 'start' });
    goal.focus({ preventScroll: true });
  };
  const next = () => {
    const s = stops();
    if (!s.length) { count.textContent = 'no failure to go to'; return; }
    at = s[(s.indexOf(at) + 1) % s.length];
    reveal(at);
  };
  const button = $('#next');
  if (!$('.u.f,.u.e')) { button.hidden = true; fold.hidden = true; }
  button.onclick = next;
  document.addEventListener('keydown', e => {
    if (e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName) && e.target.type !== 'checkbox') return;
    if (e.key === '/') { e.preventDefault(); form.q.focus(); }
    if (e.key === 'n' && !button.hidden) next();
  });
  form.q.addEventListener('keydown', e => { if (e.key === 'Escape' && form.q.value) { form.q.value = ''; e.preventDefault(); apply(); } });

  const jump = () => {
    const e = /^#u\d+$/.test(location.hash) && document.getElementById(location.hash.slice(1));
    if (e) { if (e.closest('[hidden]')) form.reset(); setTimeout(() => { at = e; reveal(e); }); }
  };
  addEventListener('hashchange', jump);
  jump();

  // Paper has no triangles to click.
  let opened = [];
  addEventListener('beforeprint', () => { opened = $$('details.f:not([open]),details.e:not([open]),details.k:not([open])'); for (const e of opened) e.open = true; });
  addEventListener('afterprint', () => { for (const e of opened) e.open = false; });
})();
