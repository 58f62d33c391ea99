-- Ends a reservation with what it really took.
--
-- KEYS[1]   reservation   KEYS[2]  leases
-- ARGV[1]   1: allowances are leased from a bank, 0: limits alone decide
-- ARGV[2]   how many actual shares follow; the rest of the arguments are the lost shares
-- ARGV[3..] per share two: counter, amount. `actual` replaces what was held or has expired; `lost` is charged when the
--           reservation is unknown here.
-- returns   {} when it was settled before, else {per counter three doubles packed as '<ddd': spent, held, slack, then
--           the counters}
--
-- held: the hold moves to spent. expired: spent is corrected. settled: nothing. Layout: hold-spend.lua.

local PREFIX = 'sluice:{spend}:'
local REMEMBER_MS = 600000

local UNBOUNDED = 9007199254740991

local stored = redis.call('GET', KEYS[1])
local state = stored and string.sub(stored, 1, 1)
if state == 's' then return {} end

local from, to = 3, 2 + tonumber(ARGV[2]) * 2
if not state then from, to = to + 1, #ARGV end

local periods, order = {}, {}
local function add(name, spent, held)
  local period = string.match(name, '.*|(.*)')
  local p = periods[period]
  if not p then
    p = { key = PREFIX .. period, counters = {}, names = {}, writes = {} }
    periods[period] = p
    order[#order + 1] = p
  end
  local c = p.counters[name]
  if not c then
    c = { spent = 0, held = 0 }
    p.counters[name] = c
    p.names[#p.names + 1] = name
  end
  c.spent = c.spent + spent
  c.held = c.held + held
end
if state then
  local before = cmsgpack.unpack(string.sub(stored, 2))
  for i = 1, #before, 2 do
    if state == 'h' then add(before[i], 0, -before[i + 1]) else add(before[i], -before[i + 1], 0) end
  end
end
for i = from, to, 2 do add(ARGV[i], tonumber(ARGV[i + 1]), 0) end

local result, packed = { '' }, {}
for _, p in ipairs(order) do
  local v = redis.call('HMGET', p.key, unpack(p.names))
  for i, name in ipairs(p.names) do
    local c = p.counters[name]
    local spent, held, allowance, base = 0, 0, 0, 0
    if v[i] then spent, held, allowance, base = struct.unpack('<dddd', v[i]) end
    spent = spent + c.spent
    held = held + c.held
    local w = p.writes
    w[#w + 1] = name
    w[#w + 1] = struct.pack('<dddd', spent, held, allowance, base)
    local slack = ARGV[1] == '1' and allowance - spent - held or UNBOUNDED
    result[#result + 1] = name
    packed[#packed + 1] = struct.pack('<ddd', spent + base, held, slack)
  end
  redis.call('HSET', p.key, unpack(p.writes))
end
redis.call('SET', KEYS[1], 's', 'PX', REMEMBER_MS)
redis.call('ZREM', KEYS[2], KEYS[1])
result[1] = table.concat(packed)
return result
