-- Holds every share of a reservation, or none: reserve and top-up.
--
-- KEYS[1]   reservation: 'h' (held), 'e' (expired) or 's' (settled), then, but for 's', MessagePack of
--           {counter, amount, counter, amount, …}
-- KEYS[2]   leases: sorted set of reservation keys by deadline in milliseconds
-- ARGV[1]   'new' | 'more'
-- ARGV[2]   lease in milliseconds ('new' only)
-- ARGV[3]   time in milliseconds for tests; '' takes the server's clock
-- ARGV[4]   1: allowances are leased from a bank, 0: limits alone decide
-- ARGV[5..] per share three: counter `scope|unit|period`, amount, limit
-- returns   {'held', per share three doubles packed as '<ddd': spent, held, slack}
--           {'known', state}
--           {'refused', counter, 'spent'|'held', headroom}
--           {'short', then counter and missing amount for each}
--
-- A counter is one field of its period's hash, `sluice:{spend}:<period>`: four doubles packed as '<dddd', which are
-- spent, held, allowance (leased from the bank), base (leased by others). Integers below 2^53 are exact in doubles, and
-- packing costs a third of writing and reading four decimal fields. Everything is checked before the first write,
-- because Redis does not take back what a failing script has written. Twin: memory.ledger.ts.

local PREFIX = 'sluice:{spend}:'
local LIFE_MS = 40 * 86400000
local KEEP_MS = 7 * 86400000
local UNBOUNDED = 9007199254740991

local NAMES = { h = 'held', e = 'expired', s = 'settled' }
local stored = redis.call('GET', KEYS[1])
local state = stored and NAMES[string.sub(stored, 1, 1)]
if ARGV[1] == 'new' and state then return { 'known', state } end
if ARGV[1] == 'more' and state ~= 'held' then return { 'known', state or 'expired' } end

local function text(number)
  if number == 0 then return '0' end
  return string.format('%.0f', number)
end

local periods, order, shares = {}, {}, {}
for i = 5, #ARGV, 3 do
  local counter = ARGV[i]
  local period = string.match(counter, '.*|(.*)')
  local p = periods[period]
  if not p then
    p = { key = PREFIX .. period, fields = {}, writes = {} }
    periods[period] = p
    order[#order + 1] = p
  end
  local at = #p.fields + 1
  p.fields[at] = counter
  shares[#shares + 1] =
    { counter = counter, amount = tonumber(ARGV[i + 1]), limit = tonumber(ARGV[i + 2]), p = p, at = at }
end
for _, p in ipairs(order) do p.values = redis.call('HMGET', p.key, unpack(p.fields)) end

local short = { 'short' }
for _, s in ipairs(shares) do
  local v = s.p.values[s.at]
  if v then
    s.spent, s.held, s.allowance, s.base = struct.unpack('<dddd', v)
  else
    s.spent, s.held, s.allowance, s.base = 0, 0, 0, 0
  end
  local used = s.base + s.spent + s.held
  if used + s.amount > s.limit then
    local by = s.base + s.spent + s.amount > s.limit and 'spent' or 'held'
    return { 'refused', s.counter, by, text(math.max(0, s.limit - used)) }
  end
  local missing = s.spent + s.held + s.amount - s.allowance
  if ARGV[4] == '1' and missing > 0 then
    short[#short + 1] = s.counter
    short[#short + 1] = text(missing)
  end
end
if #short > 1 then return short end

local record, packed = {}, {}
if ARGV[1] == 'more' then record = cmsgpack.unpack(string.sub(stored, 2)) end
local places = {}
for i = 1, #record, 2 do places[record[i]] = i + 1 end
for i, s in ipairs(shares) do
  s.held = s.held + s.amount
  local w = s.p.writes
  w[#w + 1] = s.counter
  w[#w + 1] = struct.pack('<dddd', s.spent, s.held, s.allowance, s.base)
  local place = places[s.counter]
  if place then
    record[place] = record[place] + s.amount
  else
    record[#record + 1] = s.counter
    record[#record + 1] = s.amount
  end
  local slack = ARGV[4] == '1' and s.allowance - s.spent - s.held or UNBOUNDED
  packed[i] = struct.pack('<ddd', s.base + s.spent, s.held, slack)
end
for _, p in ipairs(order) do
  redis.call('HSET', p.key, unpack(p.writes))
  redis.call('PEXPIRE', p.key, LIFE_MS)
end
redis.call('SET', KEYS[1], 'h' .. cmsgpack.pack(record), 'PX', KEEP_MS)
if ARGV[1] == 'new' then
  local now
  if ARGV[3] == '' then
    local t = redis.call('TIME')
    now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
  else
    now = tonumber(ARGV[3])
  end
  redis.call('ZADD', KEYS[2], text(now + tonumber(ARGV[2])), KEYS[1])
end
return { 'held', table.concat(packed) }
