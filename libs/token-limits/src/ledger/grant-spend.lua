-- Changes allowances: adds what was leased from the bank, or takes back what is not needed.
--
-- KEYS[1]   any key of the ledger (names the slot)
-- ARGV[1]   'grant' | 'trim'
-- ARGV[2..] grant: counter, amount to add, all that is leased by anybody afterwards
--           trim:  counter, slack to leave
-- returns   grant: {}    trim: per counter that gave something: counter, amount freed
--
-- Layout: hold-spend.lua.

local PREFIX = 'sluice:{spend}:'
local LIFE_MS = 40 * 86400000

local function text(number)
  if number == 0 then return '0' end
  return string.format('%.0f', number)
end

local function read(key, counter)
  local v = redis.call('HGET', key, counter)
  if v then return struct.unpack('<dddd', v) end
  return 0, 0, 0, 0
end

local result = {}
if ARGV[1] == 'grant' then
  for i = 2, #ARGV, 3 do
    local counter = ARGV[i]
    local key = PREFIX .. string.match(counter, '.*|(.*)')
    local spent, held, allowance = read(key, counter)
    allowance = allowance + tonumber(ARGV[i + 1])
    local base = math.max(0, tonumber(ARGV[i + 2]) - allowance)
    redis.call('HSET', key, counter, struct.pack('<dddd', spent, held, allowance, base))
    redis.call('PEXPIRE', key, LIFE_MS)
  end
else
  for i = 2, #ARGV, 2 do
    local counter = ARGV[i]
    local key = PREFIX .. string.match(counter, '.*|(.*)')
    local spent, held, allowance, base = read(key, counter)
    local free = allowance - spent - held - tonumber(ARGV[i + 1])
    if free > 0 then
      redis.call('HSET', key, counter, struct.pack('<dddd', spent, held, allowance - free, base))
      result[#result + 1] = counter
      result[#result + 1] = text(free)
    end
  end
end
return result
