// Drives the HTML report in Chromium. `make browser` runs it.
//
//   IFLOWTEST   the program (make builds it)
//   SHOTS       a folder for screenshots (default: a temporary one, named at the end)
//   CHROMIUM    a browser that is there; else the one of the npm package is used

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { run } from './runs.mjs';

const skip = why => {
  console.log(`SKIP browser test: ${why}`);
  process.exit(process.env.CI_BROWSER === 'required' ? 1 : 0);
};

let playwright, executable, axe;
try {
  playwright = (await import('playwright-core')).chromium;
  axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  executable = process.env.CHROMIUM || await (await import('@sparticuz/chromium')).default.executablePath();
} catch (e) {
  skip(`the packages of package.json are not installed (${e.message.split('\n')[0]})`);
}

const program = process.env.IFLOWTEST ?? skip('IFLOWTEST does not name the program');
const work = fs.mkdtempSync(path.join(os.tmpdir(), 'iflowtest-browser-'));
const shots = process.env.SHOTS ?? fs.mkdtempSync(path.join(os.tmpdir(), 'iflowtest-shots-'));
fs.mkdirSync(shots, { recursive: true });

let browser;
try {
  browser = await playwright.launch({ executablePath: executable, args: ['--no-sandbox', '--disable-gpu'] });
} catch (e) {
  skip(`Chromium does not start here: ${e.message.split('\n')[0]}`);
}
console.log(`Chromium ${browser.version()}`);

// pages renders a recorded run of each size.
const pages = {};
for (const size of [1, 500, 20000]) {
  const lines = path.join(work, `run${size}.jsonl`);
  const file = fs.openSync(lines, 'w');
  let held = [];
  const write = () => { fs.writeSync(file, held.join('')); held = []; };
  for (const e of run(size)) {
    held.push(JSON.stringify(e) + '\n');
    if (held.length === 5000) write();
  }
  write();
  fs.closeSync(file);
  pages[size] = path.join(work, `report${size}.html`);
  execFileSync(program, ['report', lines, '--html', pages[size]], { stdio: ['ignore', 'ignore', 'ignore'] });
}
fs.rmSync(path.join(work, 'run20000.jsonl'));

// open gives a page, and fails the test for whatever it complains about or
// asks the network for.
const complaints = [];
async function open(size, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 1000 }, ...options });
  const page = await context.newPage();
  page.on('console', m => complaints.push(`${size}: console: ${m.text()}`));
  page.on('pageerror', e => complaints.push(`${size}: error: ${e.message}`));
  page.on('request', r => { if (!r.url().startsWith('file:') && !r.url().startsWith('data:')) complaints.push(`${size}: request: ${r.url()}`); });
  await page.goto(pathToFileURL(pages[size]).href);
  return page;
}
const visible = page => page.evaluate(() => [...document.querySelectorAll('.u')].filter(e => !e.closest('[hidden]')).length);
const done = page => page.context().close();

const tests = {
  async 'one file that asks for nothing'() {
    const text = fs.readFileSync(pages[500], 'utf8');
    assert.ok(!/\s(src|href)=["']?(https?:)?\/\//.test(text), 'something is linked');
    assert.ok(!/\son[a-z]+=/.test(text.replace(/<script>[\s\S]*<\/script>/, '')), 'there is an event handler in the markup');
    assert.ok(!/\sstyle=/.test(text), 'there is a style in the markup');
    assert.ok(fs.statSync(pages[20000]).size < 15e6, `${fs.statSync(pages[20000]).size} bytes for 20,000 cases`);
  },

  async 'the policy holds back what is injected'() {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(pathToFileURL(pages[1]).href);
    const ran = await page.evaluate(() => new Promise(resolve => {
      const s = document.createElement('script');
      s.textContent = 'window.injected = true';
      document.body.append(s);
      setTimeout(() => resolve(window.injected === true), 50);
    }));
    assert.equal(ran, false);
    await context.close();
  },

  async 'filter by outcome, tag and text'() {
    const page = await open(500);
    const total = await visible(page);
    const counts = await page.$$eval('#filter fieldset label', l => Object.fromEntries(l.map(e => [e.className, +e.querySelector('b').textContent])));
    assert.equal(total, 500);
    assert.equal(Object.values(counts).reduce((a, b) => a + b), 500);
    await page.check('#filter input[value=f]', { force: true });
    assert.equal(await visible(page), counts.f);
    assert.match(await page.textContent('#count'), new RegExp(`^${counts.f} of 500 scenarios$`));
    assert.equal(await page.$eval('#count', e => e.getAttribute('aria-live')), 'polite');
    await page.check('#filter input[value=e]', { force: true });
    assert.equal(await visible(page), counts.f + counts.e);
    await page.click('#clear');
    await page.waitForFunction(() => document.querySelector('#count').textContent === '500 scenarios');
    assert.equal(await visible(page), 500);
    await page.selectOption('#filter select', { index: 1 });
    const tag = await page.$eval('#filter select', s => s.selectedOptions[0].textContent.match(/\((\d+)\)/)[1]);
    await page.waitForFunction(n => document.querySelector('#count').textContent.startsWith(n + ' of'), tag);
    await page.click('#clear');
    await page.fill('#filter input[type=search]', 'KEEPS invoice');
    await page.waitForFunction(() => / of 500/.test(document.querySelector('#count').textContent));
    const names = await page.$$eval('.u:not([hidden])', u => u.filter(e => !e.closest('[hidden]')).map(e => e.closest('.file').textContent.toLowerCase()));
    assert.ok(names.length > 0 && names.length < 500 && names.every(n => n.includes('keeps') && n.includes('invoice')), `${names.length} found`);
    await page.fill('#filter input[type=search]', 'nothing has this');
    await page.waitForFunction(() => document.querySelector('#count').textContent === '0 of 500 scenarios');
    assert.equal(await page.$$eval('.file', f => f.filter(e => !e.hidden).length), 0);
    await done(page);
  },

  async 'keyboard alone'() {
    const page = await open(500);
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.className), 'skip');
    await page.keyboard.press('Enter');
    await page.keyboard.press('/');
    assert.equal(await page.evaluate(() => document.activeElement.name), 'q');
    await page.keyboard.type('lookup');
    await page.waitForFunction(() => / of 500/.test(document.querySelector('#count').textContent));
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => document.querySelector('#count').textContent === '500 scenarios');
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Space');
    assert.ok(await visible(page) < 500, 'the space bar does not check an outcome');
    await page.keyboard.press('Space');
    await page.keyboard.press('n');
    const first = await page.evaluate(() => document.activeElement.closest('.u').id);
    await page.keyboard.press('n');
    const second = await page.evaluate(() => document.activeElement.closest('.u').id);
    assert.notEqual(first, second);
    const seen = await page.evaluate(() => {
      const r = document.activeElement.getBoundingClientRect(), f = document.querySelector('#filter').getBoundingClientRect();
      return { below: r.top >= f.bottom - 1, inside: r.bottom <= innerHeight, outline: getComputedStyle(document.activeElement).outlineStyle };
    });
    assert.deepEqual(seen, { below: true, inside: true, outline: 'solid' });
    const folded = await page.evaluate(() => document.activeElement.closest('details').open);
    await page.keyboard.press('Enter');
    assert.notEqual(await page.evaluate(() => document.activeElement.closest('details').open), folded);
    await done(page);
  },

  async 'links lead to failures, through a filter too'() {
    const page = await open(500);
    await page.check('#filter input[value=p]', { force: true });
    const id = await page.$eval('.failures a', a => a.hash.slice(1));
    await page.click('.failures a');
    await page.waitForFunction(i => { const e = document.getElementById(i); return e.closest('details').open && !e.closest('[hidden]'); }, id);
    await done(page);
  },

  async 'dark, light, and what was chosen'() {
    const colour = page => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await open(1, { colorScheme: 'light' }), dark = await open(1, { colorScheme: 'dark' });
    assert.notEqual(await colour(light), await colour(dark));
    const was = await colour(dark);
    await dark.click('#theme');
    assert.equal(await dark.textContent('#theme'), 'Theme: light');
    assert.notEqual(await colour(dark), was);
    await dark.click('#theme');
    assert.equal(await colour(dark), was);
    await done(light);
    await done(dark);
  },

  async 'a browser without storage'() {
    const context = await browser.newContext();
    await context.addInitScript(() => Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('denied', 'SecurityError'); } }));
    const page = await context.newPage();
    page.on('pageerror', e => complaints.push(`storage: ${e.message}`));
    await page.goto(pathToFileURL(pages[1]).href);
    await page.click('#theme');
    assert.equal(await page.textContent('#theme'), 'Theme: light');
    await context.close();
  },

  async 'without JavaScript'() {
    const page = await open(500, { javaScriptEnabled: false });
    assert.equal(await page.isVisible('#filter'), false);
    assert.equal(await page.isVisible('#theme'), false);
    const closed = page.locator('details.u.p:not([open])').first();
    await closed.locator('summary').click();
    assert.ok(await page.locator('details.u.p[open] .st').first().isVisible());
    await page.locator('details.u.f[open]').first().locator('.as').waitFor({ state: 'visible' });
    await done(page);
  },

  async 'on paper'() {
    for (const javaScriptEnabled of [true, false]) {
      const page = await open(500, { javaScriptEnabled });
      await page.emulateMedia({ media: 'print' });
      assert.equal(await page.isVisible('#filter'), false);
      const pdf = await page.pdf({ format: 'A4' });
      assert.ok(pdf.length > 10_000);
      await done(page);
    }
    // What did not pass is shown although it is folded.
    const page = await open(500, { javaScriptEnabled: true });
    await page.$$eval('details[open]', d => d.forEach(e => { e.open = false; }));
    const high = () => page.$eval('details.u.f .as', e => e.checkVisibility({ contentVisibilityAuto: false }));
    assert.equal(await high(), false);
    await page.emulateMedia({ media: 'print' });
    assert.equal(await high(), true);
    await done(page);
  },

  async 'contrast, labels, landmarks'() {
    for (const size of [1, 500]) {
      for (const colorScheme of ['light', 'dark']) {
        for (const width of [375, 1440]) {
          const page = await open(size, { colorScheme, viewport: { width, height: 900 }, bypassCSP: true });
          await page.$$eval('details', d => d.slice(0, 60).forEach(e => { e.open = true; }));
          await page.evaluate(axe);
          const found = await page.evaluate(() => axe.run({ resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
          const told = found.violations.map(v => `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map(n => n.html.slice(0, 160) + ' ' + (n.any[0]?.message ?? '')).join(' | ')}`);
          assert.deepEqual(told, [], `${size} ${colorScheme} ${width}`);
          await done(page);
        }
      }
    }
  },

  async 'nothing is wider than the window'() {
    for (const size of [1, 500]) {
      for (const width of [320, 375, 900, 1440]) {
        const page = await open(size, { viewport: { width, height: 900 } });
        await page.$$eval('details', d => d.slice(0, 100).forEach(e => { e.open = true; }));
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${size} cases at ${width}`);
        await done(page);
      }
    }
  },

  async '20,000 cases: filter'() {
    const page = await open(20000);
    assert.equal(await page.$$eval('.u', u => u.length), 20000);
    const ms = await page.evaluate(() => new Promise(resolve => {
      const q = document.querySelector('#filter [name=q]'), began = performance.now();
      new MutationObserver(() => resolve(performance.now() - began)).observe(document.querySelector('#count'), { childList: true });
      q.value = 'connection refused';
      q.dispatchEvent(new Event('input', { bubbles: true }));
    }));
    console.log(`     text filter of 20,000: ${Math.round(ms)} ms`);
    assert.ok(ms < 5000, `${ms} ms`);
    const n = await visible(page);
    assert.ok(n > 0 && n < 1000, `${n} found`);
    await done(page);
  },

  async '20,000 cases open within 3 times a bare table of 20,000 rows'() {
    const bare = path.join(work, 'bare.html');
    let text = '<!DOCTYPE html><html lang=en><meta charset=utf-8><title>rows</title><table>';
    for (let i = 0; i < 20000; i++) text += `<tr><td>PASS<td>scenarios/orders/order-intake-${i}.yaml<td>Order intake accepts a complete document<td>200<td>320 ms\n`;
    fs.writeFileSync(bare, text);
    const median = async file => {
      const all = [];
      for (let i = 0; i < 5; i++) {
        const page = await browser.newPage();
        const began = performance.now();
        await page.goto(pathToFileURL(file).href);
        await page.evaluate(() => new Promise(r => requestAnimationFrame(() => setTimeout(r))));
        all.push(performance.now() - began);
        await page.close();
      }
      return all.sort((a, b) => a - b)[2];
    };
    const table = await median(bare), report = await median(pages[20000]);
    console.log(`     bare table ${Math.round(table)} ms, report ${Math.round(report)} ms: ${(report / table).toFixed(2)} times; ${(fs.statSync(pages[20000]).size / 1e6).toFixed(1)} MB`);
    assert.ok(report < 3 * table);
  },

  async 'screenshots'() {
    for (const size of [1, 500, 20000]) {
      for (const width of [375, 900, 1440]) {
        for (const colorScheme of ['light', 'dark']) {
          if (size === 20000 && colorScheme === 'dark') continue;
          const page = await open(size, { colorScheme, viewport: { width, height: width < 500 ? 800 : 1000 } });
          await page.screenshot({ path: path.join(shots, `${size}-${width}-${colorScheme}.png`), fullPage: size === 1 });
          if (size === 500) {
            await page.click('#next');
            await page.evaluate(() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r))));
            await page.screenshot({ path: path.join(shots, `${size}-${width}-${colorScheme}-failure.png`) });
          }
          await done(page);
        }
      }
    }
    console.log(`     screenshots are in ${shots}`);
  },
};

let failed = 0;
for (const [name, test] of Object.entries(tests)) {
  const began = performance.now();
  complaints.length = 0;
  try {
    await test();
    assert.deepEqual(complaints.filter(c => !(name.startsWith('the policy') && c.includes('Content Security Policy'))), []);
    console.log(`ok   ${name} (${Math.round(performance.now() - began)} ms)`);
  } catch (e) {
    failed++;
    console.log(`FAIL ${name}\n${String(e.stack ?? e).split('\n').slice(0, 30).map(l => '     ' + l).join('\n')}`);
  }
}
await browser.close();
fs.rmSync(work, { recursive: true, force: true });
process.exit(failed ? 1 : 0);
