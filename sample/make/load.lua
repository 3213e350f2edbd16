-- wrk script: shoppers, crawlers and, for a while, a scanner. The rate follows
-- the clock so that the recording has a shape. Client addresses are from the
-- documentation ranges of RFC 5737.
local start, seed = os.time(), 0
local agents = {
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
  "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
  "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
  "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
  "ExampleBot/2.1 (+https://bot.example/about)", "curl/8.7.1", "python-requests/2.32.3",
}
local scans = { "/wp-login.php", "/.env", "/phpmyadmin/index.php", "/.git/config", "/xmlrpc.php", "/cgi-bin/test.cgi", "/admin/login", "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php", "/server-status", "/backup.zip" }
local words = { "lamp", "desk", "chair", "oak+table", "rug", "shelf", "mirror", "kettle", "vase", "candle", "sofa" }

function setup(thread) seed = seed + 1; thread:set("id", seed) end
function init() math.randomseed(4711 * id) end

local function skewed(n) return math.floor(n * math.random() ^ 3) + 1 end
local function client() local k = skewed(240); return ({ "192.0.2.", "198.51.100.", "203.0.113." })[k % 3 + 1] .. k end
local function elapsed() return os.time() - start end

function delay()
  local wave = 1.5 + math.sin(elapsed() / 45)          -- 0.5 to 2.5
  if elapsed() % 240 > 150 and elapsed() % 240 < 180 then wave = 0.6 end
  return math.random() * 260 * wave
end

local function pick()
  local r = math.random()
  if elapsed() % 240 > 150 and elapsed() % 240 < 180 and r < 0.6 then
    return "GET", scans[math.random(#scans)], "203.0.113.66", "Mozilla/5.0 zgrab/0.x"
  elseif r < 0.34 then return "GET", "/products/" .. skewed(400) .. ".html"
  elseif r < 0.46 then return "GET", ({ "/", "/index.html", "/css/shop.css", "/js/shop.js", "/img/logo.svg", "/favicon.ico", "/robots.txt" })[math.random(7)]
  elseif r < 0.50 then return "GET", "/products/" .. (400 + math.random(300)) .. ".html"   -- gone
  elseif r < 0.62 then return "GET", "/api/cart/u" .. skewed(500)
  elseif r < 0.72 then return "GET", "/api/search?q=" .. words[math.random(#words)] .. "&page=" .. skewed(6)
  elseif r < 0.92 then return "POST", "/api/checkout"
  elseif r < 0.97 then return "GET", "/api/orders/" .. math.random(10000, 99999)
  elseif r < 0.985 then return "GET", "/reports/daily?day=" .. math.random(28)
  elseif r < 0.993 then return "GET", "/admin/users"
  else return "PUT", "/api/avatar" end
end

function request()
  local method, path, ip, agent = pick()
  wrk.headers["X-Forwarded-For"] = ip or client()
  wrk.headers["User-Agent"] = agent or agents[skewed(#agents)]
  wrk.headers["Referer"] = math.random() < 0.6 and "https://shop.example/products/" .. skewed(400) .. ".html" or nil
  wrk.headers["Content-Type"] = "application/json"
  local body = nil
  if path == "/api/checkout" then
    body = string.format('{"user":"u%d","items":[{"sku":"SKU-%04d","quantity":%d}],"card":"%s"}',
      skewed(500), skewed(400), skewed(9), math.random() < 0.05 and "expired" or "ok")
    if math.random() < 0.02 then body = body:sub(1, 30) end   -- cut off: a parse error
  elseif method == "PUT" then body = string.rep("x", 9000) end -- over the limit: 413
  return wrk.format(method, path, nil, body)
end
