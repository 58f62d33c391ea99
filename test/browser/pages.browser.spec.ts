import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { chromium, type Browser, type Page } from 'playwright-core';
import { startGateway, type GatewayProcess } from '../gateway/gateway-process.js';

/** Set to a folder to keep pictures of what the tests saw. */
const PICTURES = process.env.SLUICE_PICTURES;

let gateway: GatewayProcess;
let browser: Browser;
let page: Page;
const faults: string[] = [];

beforeAll(async () => {
  gateway = await startGateway();
  const executablePath = execFileSync('which', ['chromium']).toString().trim();
  browser = await chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'],
  });
  page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(message.text());
  });
});
afterAll(async () => {
  await browser.close();
  await gateway.stop();
});

async function picture(name: string): Promise<void> {
  if (PICTURES === undefined) return;
  await mkdir(PICTURES, { recursive: true });
  await page.screenshot({ path: `${PICTURES}/${name}.png`, fullPage: true });
}

describe('in a browser', () => {
  it('the dashboard shows health at once, and usage and budgets with the admin key', async () => {
    await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'auto', messages: [{ role: 'user', content: 'Hello' }] }),
    });
    await page.goto(`${gateway.url}/dashboard`);
    await page.getByRole('status').getByText('ok').waitFor();
    await page.getByLabel('Admin key').fill(gateway.adminKey);
    await page.getByRole('button', { name: 'Show' }).click();
    await page.getByRole('heading', { name: 'Budgets' }).waitFor();
    await page.getByRole('heading', { name: 'Usage by model, last 24 h' }).waitFor();
    expect(await page.locator('.error').allTextContents()).toEqual([]);
    await picture('dashboard');
  });

  it('tells a wrong key so', async () => {
    await page.getByLabel('Admin key').fill('sk-sluice-wrong');
    await page.getByRole('button', { name: 'Show' }).click();
    await page.locator('.error').first().waitFor();
    faults.length = 0; // The browser logs each refused request; that is what was asked for.
  });

  it('Swagger UI lists every group of routes', async () => {
    await page.goto(`${gateway.url}/docs`);
    await page.locator('.opblock-tag', { hasText: 'Chat' }).first().waitFor();
    const groups = await page.locator('.opblock-tag').allTextContents();
    expect(groups.length).toBeGreaterThanOrEqual(8);
    expect(await page.locator('.opblock').count()).toBeGreaterThan(40);
    await picture('docs');
  });

  it('neither page had a fault', () => {
    expect(faults).toEqual([]);
  });
});
