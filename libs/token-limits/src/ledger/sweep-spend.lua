-- Turns holds whose lease has run out into spent: their process died, and the provider may have billed.
--
-- KEYS[1]   leases
-- ARGV[1]   time in milliseconds for tests; '' takes the server's clock
-- ARGV[2]   most reservations to take in one step
-- returns   how many expired
--
-- An expired reservation is remembered for 26 hours, so that a late settle corrects it. Layout: hold-spend.lua.

local PREFIX = 'sluice:{spend}:'
local REMEMBER_MS = 26 * 3600000

local now = ARGV[1]
if now == '' then
  local t = redis.call('TIME')
  now = string.format('%.0f', tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000))
end

local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[2])
local expired = 0
for _, id in ipairs(due) do
  local stored = redis.call('GET', id)
  if stored and string.sub(stored, 1, 1) == 'h' then
    local record = cmsgpack.unpack(string.sub(stored, 2))
    for i = 1, #record, 2 do
      local counter, amount = record[i], record[i + 1]
      local key = PREFIX .. string.match(counter, '.*|(.*)')
      local v = redis.call('HGET', key, counter)
      if v then
        local spent, held, allowance, base = struct.unpack('<dddd', v)
        v = struct.pack('<dddd', spent + amount, held - amount, allowance, base)
        redis.call('HSET', key, counter, v)
      end
    end
    redis.call('SET', id, 'e' .. string.sub(stored, 2), 'PX', REMEMBER_MS)
    expired = expired + 1
  end
  redis.call('ZREM', KEYS[1], id)
end
return expired
