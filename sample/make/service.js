// The checkout and the payment service of the recorded shop: plain Node, no
// packages, JSON lines in the manner of pino. usage: node service.js checkout|payment
'use strict';
const http = require('http'), fs = require('fs');
const name = process.argv[2];
const out = fs.createWriteStream(`/srv/shop/log/${name}.log`, { flags: 'a' });
const LEVELS = { debug: 20, info: 30, warn: 40, error: 50, fatal: 60 };
function log(level, fields, msg) {
  out.write(JSON.stringify({ level: LEVELS[level], time: Date.now(), pid: process.pid, hostname: 'demo-1', name, ...fields, msg }) + '\n');
}
const err = (e) => ({ err: { type: e.name, message: e.message, code: e.code, stack: e.stack } });
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const agent = new http.Agent({ keepAlive: true, maxSockets: 16 });

function call(port, path, traceId, body) {
  return new Promise((resolve, reject) => {
    const req = http.request({ host: '127.0.0.1', port, path, method: body ? 'POST' : 'GET', agent, timeout: 700,
      headers: { 'x-request-id': traceId, 'content-type': 'application/json' } }, (res) => {
      let text = '';
      res.on('data', (c) => { text += c; });
      res.on('end', () => resolve({ status: res.statusCode, text }));
    });
    req.on('timeout', () => req.destroy(Object.assign(new Error(`no answer from 127.0.0.1:${port} within 700 ms`), { code: 'ETIMEDOUT' })));
    req.on('error', reject);
    req.end(body ? JSON.stringify(body) : undefined);
  });
}

class PaymentDeclined extends Error { constructor(reason) { super(`card declined: ${reason}`); this.name = 'PaymentDeclined'; } }

const routes = {
  checkout: {
    'GET /api/cart': async (req) => {
      const user = req.url.split('/')[3];
      const items = user.length % 4;
      log('debug', { traceId: req.trace, user, cache: Math.random() < 0.8 ? 'hit' : 'miss' }, 'cart loaded');
      return [200, { user, items }];
    },
    'GET /api/search': async (req) => { await sleep(Math.random() * 30); return [200, { results: Math.floor(Math.random() * 40) }]; },
    'GET /api/orders': async (req) => {
      const order = Number(req.url.split('/')[3]);
      if (order % 7 === 0) { log('warn', { traceId: req.trace, order }, 'order not found'); return [404, {}]; }
      return [200, { order }];
    },
    'POST /api/checkout': async (req) => {
      const cart = JSON.parse(req.body);
      const item = cart.items[0];
      const stock = await call(7303, `/reserve?sku=${item.sku}&quantity=${item.quantity}`, req.trace);
      if (stock.status === 409) { log('warn', { traceId: req.trace, user: cart.user, sku: item.sku, quantity: item.quantity }, 'out of stock'); return [409, {}]; }
      if (stock.status !== 200) throw new Error(`inventory answered ${stock.status} for ${item.sku}`);
      const amount = Math.round(item.quantity * (500 + Math.random() * 9500)) / 100;
      const order = 10000 + Math.floor(Math.random() * 90000);
      let paid;
      for (let attempt = 1; ; attempt++) {
        try { paid = await call(7302, '/charge', req.trace, { order, amount, card: cart.card }); break; } catch (e) {
          if (attempt === 3) throw e;
          log('warn', { traceId: req.trace, order, attempt, code: e.code, backoffMs: attempt * 20 }, `payment call failed, retrying: ${e.message}`);
          await sleep(attempt * 20);
        }
      }
      if (paid.status === 402) { log('warn', { traceId: req.trace, order, user: cart.user, amount }, 'payment declined'); return [402, {}]; }
      if (paid.status !== 200) throw new Error(`payment answered ${paid.status} for order ${order}`);
      log('info', { traceId: req.trace, order, user: cart.user, amount, currency: 'EUR', items: cart.items }, 'order placed');
      return [201, { order }];
    },
  },
  payment: {
    'POST /charge': async (req) => {
      const { order, amount, card } = JSON.parse(req.body);
      const gateway = ['alpha', 'beta', 'gamma'][order % 3];
      const took = 5 + Math.random() * 40 + (Math.random() < 0.02 ? 650 : 0);
      await sleep(took);
      if (card === 'expired') throw new PaymentDeclined('expired');
      if (Math.random() < 0.01) { const tokens = {}; return [200, { token: tokens[order].id }]; } // the bug that makes TypeErrors
      log('info', { traceId: req.trace, order, amount, gateway, latencyMs: Math.round(took * 10) / 10, approved: true }, `charged ${amount} EUR through ${gateway}`);
      if (took > 600) log('warn', { traceId: req.trace, gateway, latencyMs: Math.round(took) }, `gateway ${gateway} is slow`);
      return [200, { ok: true }];
    },
  },
};

const server = http.createServer(async (req, res) => {
  const began = process.hrtime.bigint();
  req.trace = req.headers['x-request-id'] || null;
  req.body = '';
  for await (const chunk of req) req.body += chunk;
  const route = req.method + ' ' + (name === 'payment' ? req.url : req.url.split(/[/?]/).slice(0, 3).join('/'));
  let answer = [404, {}];
  try {
    const handler = routes[name][route];
    if (handler) answer = await handler(req);
  } catch (e) {
    const status = e.name === 'PaymentDeclined' ? 402 : e.name === 'SyntaxError' ? 400 : 500;
    log(status === 500 ? 'error' : 'warn', { traceId: req.trace, route, ...err(e) }, e.message);
    answer = [status, { error: e.message }];
  }
  res.writeHead(answer[0], { 'content-type': 'application/json' });
  res.end(JSON.stringify(answer[1]));
  const ms = Math.round(Number(process.hrtime.bigint() - began) / 1e4) / 100;
  if (name === 'checkout') log(answer[0] >= 500 ? 'error' : 'info', { traceId: req.trace, req: { method: req.method, url: req.url }, res: { statusCode: answer[0] }, responseTime: ms }, 'request completed');
});
server.listen(name === 'payment' ? 7302 : 7301, '127.0.0.1', () => log('info', { node: process.version }, `${name} listening on ${server.address().port}`));
setInterval(() => { const m = process.memoryUsage(); log('debug', { rssMb: Math.round(m.rss / 1048576), heapMb: Math.round(m.heapUsed / 1048576) }, 'memory'); }, 10000).unref();
process.on('SIGTERM', () => { log('fatal', { signal: 'SIGTERM' }, 'terminated, dropping connections'); out.end(() => process.exit(0)); });
