-- The ledger of limits: reservations, settlements, sweeps and transfers of allowances. One atomic step a call.
--
-- KEYS[1]   leases: sorted set of reservation keys by deadline in milliseconds
-- KEYS[2..] 'ops': the reservation of each operation
-- ARGV[1]   command: 'ops' | 'extend' | 'sweep' | 'grant' | 'trim'
-- ARGV[2]   time in milliseconds for tests; '' takes the server's clock
-- ARGV[3]   1: allowances are leased from a bank, 0: limits alone decide
-- ARGV[4]   thresholds of alerts, separated by spaces
--
-- 'ops', several at once, in order: ARGV[5] how many counters, then their names, then one packed text an operation
--   'n' new reservation: '<d' lease in milliseconds, then shares | 'm' more for a held one: shares
--       shares: '<I2' how many, each '<I2dd' place of the counter, amount, limit
--   's' settle: '<I2I2' how many actual and lost shares, each '<I2d' place of the counter, amount. `actual` replaces what
--       was held or has expired; `lost` is charged when the reservation is unknown here
--   returns one text an operation, then the names of counters that were not among the arguments, in their places:
--       'h' + '<ddd' a share: spent, held, slack | 'k' + state | 'r' + '<I2' place, 's'pent or 'h'eld, '<d' headroom
--       's' + '<I2d' a counter that is short: place, missing | 'd' + '<I2ddd' a counter: place, spent, held, slack
-- 'extend' ARGV[5] lease in milliseconds, then reservations: a new deadline for those that are held
-- 'sweep' ARGV[5] most reservations to take. Turns holds whose lease has run out into spent: their process died, and the
--         provider may have billed. Returns {how many, then field and value of pending alerts}
-- 'grant' ARGV[5] epoch, ARGV[6] who transfers, ARGV[7] its number of this transfer, then a counter four: name, amount to add,
--         all that is leased by anybody afterwards, what of it is leased by others ('' when that is not known: all but the
--         allowance). Returns 1; 0 when it was granted before or this is another epoch
-- 'trim'  ARGV[5..7] as above, then a counter two: name, slack to leave. What comes free is remembered until the
--         next one of the same giver. Returns per counter that gave something: name, amount freed
--
-- A counter is one field of its period's hash, `sluice:{spend}:<period>`: five doubles packed as '<ddddd', which are
-- spent, held, allowance (leased from the bank), base (leased by others), limit (as last reserved against). Integers
-- below 2^53 are exact in doubles. A reservation is 'h' (held) or 'e' (expired), then MessagePack of {counter, amount, …}; an
-- expired one is remembered for 26 hours, so that a late settle corrects it. Of a settled one only the id is kept, in the set
-- of its 20 seconds, of which the present and the last one count: a repeated settlement comes soon or charges what it had lost.
-- All is computed before the first write, because Redis does not take back what a failing script has written. Twin:
-- memory.ledger.ts.

local PREFIX = 'sluice:{spend}:'
local ALERTS = PREFIX .. 'alerts'
local RETURNING = PREFIX .. 'returning'
local LIFE_MS = { [7] = 40 * 86400000, [10] = 9 * 86400000 } -- after the last change, by the name of a month and of a day
local HELD_MS = 7 * 86400000
local EXPIRED_MS = 26 * 3600000
local SETTLED_MS = 20000
local UNBOUNDED = 9007199254740991
local NAMES = { h = 'held', e = 'expired', s = 'settled' }
local unpackStruct, packStruct = struct.unpack, struct.pack

local COMMAND, BANKED = ARGV[1], ARGV[3] == '1'

local function text(number)
  if number == 0 then return '0' end
  return string.format('%.0f', number)
end

local now
local function clock()
  if now then return now end
  if ARGV[2] ~= '' then
    now = tonumber(ARGV[2])
  else
    local t = redis.call('TIME')
    now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
  end
  return now
end

-- The ids that were settled in this span of time, or so many before it.
local function settledKey(before)
  return PREFIX .. 'settled:' .. text(math.floor(clock() / SETTLED_MS) - before)
end
local function idOf(reservation)
  return string.sub(reservation, #PREFIX + 3)
end

local list, byName = {}, {}

-- Reads or writes `count` groups of fields by one call each: the fields of a format are read faster than formats.
local formats = {}
local function format(group, count)
  local key = group .. count
  local made = formats[key]
  if not made then
    made = '<' .. string.rep(group, count)
    formats[key] = made
  end
  return made
end

local thresholds = {}
for threshold in string.gmatch(ARGV[4], '%S+') do thresholds[#thresholds + 1] = threshold end

-- Reads the counters that are not known yet, each period's in one command.
local function load(names)
  local wanted, order = {}, {}
  for _, name in ipairs(names) do
    if not byName[name] then
      local period = string.match(name, '.*|(.*)')
      local c = { name = name, key = PREFIX .. period, life = LIFE_MS[#period] or LIFE_MS[7], at = #list + 1 }
      byName[name] = c
      list[c.at] = c
      local of = wanted[c.key]
      if not of then
        of = { fields = {}, counters = {} }
        wanted[c.key] = of
        order[#order + 1] = c.key
      end
      of.fields[#of.fields + 1] = name
      of.counters[#of.counters + 1] = c
    end
  end
  for _, key in ipairs(order) do
    local of = wanted[key]
    local values = redis.call('HMGET', key, unpack(of.fields))
    for i, c in ipairs(of.counters) do
      if values[i] then
        c.spent, c.held, c.allowance, c.base, c.limit = unpackStruct('<ddddd', values[i])
      else
        c.spent, c.held, c.allowance, c.base, c.limit = 0, 0, 0, 0, 0
      end
      c.before = c.base + c.spent
    end
  end
end

local function slack(c)
  return BANKED and c.allowance - c.spent - c.held or UNBOUNDED
end

-- Writes the counters that have changed, and which of them crossed a threshold: whoever hears of it first tells it,
-- also when the process that spent the money dies at this moment.
local function save()
  local writes, order, crossed = {}, {}, {}
  for _, c in ipairs(list) do
    if c.dirty then
      local w = writes[c.key]
      if not w then
        w = {}
        writes[c.key] = w
        order[#order + 1] = c
      end
      w[#w + 1] = c.name
      w[#w + 1] = packStruct('<ddddd', c.spent, c.held, c.allowance, c.base, c.limit)
      local after = c.base + c.spent
      if after > c.before and c.limit > 0 then
        for _, threshold in ipairs(thresholds) do
          local at = tonumber(threshold) * c.limit
          if c.before < at and after >= at then
            crossed[#crossed + 1] = threshold .. ' ' .. c.name
            crossed[#crossed + 1] = text(c.limit) .. ' ' .. text(after)
          end
        end
      end
    end
  end
  for _, c in ipairs(order) do
    redis.call('HSET', c.key, unpack(writes[c.key]))
    redis.call('PEXPIRE', c.key, c.life)
  end
  if #crossed > 0 then redis.call('HSET', ALERTS, unpack(crossed)) end
end

local function operate()
  local last = 5 + tonumber(ARGV[5])
  local names = {}
  for i = 6, last do names[i - 5] = ARGV[i] end
  load(names)
  local reservations = {}
  for i = 2, #KEYS do reservations[i - 1] = KEYS[i] end
  local stored = redis.call('MGET', unpack(reservations))
  local unknown, places = {}, {}
  for i, value in ipairs(stored) do
    if not value then
      unknown[#unknown + 1] = idOf(reservations[i])
      places[#places + 1] = i
    end
  end
  if #unknown > 0 then
    for before = 0, 1 do
      for u, settled in ipairs(redis.call('SMISMEMBER', settledKey(before), unpack(unknown))) do
        if settled == 1 then stored[places[u]] = 's' end
      end
    end
  end
  -- What became of a reservation within this step.
  local changed, order, deadlines, lives = {}, {}, {}, {}
  local function state(i)
    return changed[reservations[i]] or stored[i]
  end
  local function change(i, value, life)
    local key = reservations[i]
    if not changed[key] then order[#order + 1] = key end
    changed[key] = value
    lives[key] = life
  end

  local function hold(i, op, fresh)
    local before = state(i)
    local kind = before and string.sub(before, 1, 1)
    if fresh and kind then return 'k' .. NAMES[kind] end
    if not fresh and kind ~= 'h' then return 'k' .. (kind and NAMES[kind] or 'expired') end
    local at, lease = 2, nil
    if fresh then lease, at = unpackStruct('<d', op, at) end
    local count
    count, at = unpackStruct('<I2', op, at)
    local shares = { unpackStruct(format('I2dd', count), op, at) }
    local missing
    for s = 1, 3 * count, 3 do
      local c, amount, limit = list[shares[s]], shares[s + 1], shares[s + 2]
      local used = c.base + c.spent + c.held
      if used + amount > limit then
        local by = c.base + c.spent + amount > limit and 's' or 'h'
        local place = packStruct('<I2', c.at)
        return 'r' .. place .. by .. packStruct('<d', math.max(0, limit - used))
      end
      local short = BANKED and c.spent + c.held + amount - c.allowance or 0
      if short > 0 then missing = (missing or 's') .. packStruct('<I2d', c.at, short) end
    end
    if missing then return missing end
    local record, places = {}, {}
    if not fresh then
      record = cmsgpack.unpack(string.sub(before, 2))
      for r = 1, #record, 2 do places[record[r]] = r + 1 end
    end
    local answer = {}
    for s = 1, 3 * count, 3 do
      local c, amount = list[shares[s]], shares[s + 1]
      c.held = c.held + amount
      c.limit = shares[s + 2]
      c.dirty = true
      local place = places[c.name]
      if place then
        record[place] = record[place] + amount
      else
        record[#record + 1] = c.name
        record[#record + 1] = amount
      end
      answer[s], answer[s + 1], answer[s + 2] = c.base + c.spent, c.held, slack(c)
    end
    change(i, 'h' .. cmsgpack.pack(record), HELD_MS)
    if fresh then deadlines[reservations[i]] = clock() + lease end
    return 'h' .. packStruct(format('ddd', count), unpack(answer))
  end

  local function settle(i, op)
    local before = state(i)
    local kind = before and string.sub(before, 1, 1)
    if kind == 's' then return 'd' end
    local known = kind and true or false
    local seen, touched = {}, {}
    local function touch(c)
      if not seen[c] then
        seen[c] = true
        touched[#touched + 1] = c
        c.dirty = true
      end
      return c
    end
    if kind then
      local record = cmsgpack.unpack(string.sub(before, 2))
      local held = {}
      for r = 1, #record, 2 do held[#held + 1] = record[r] end
      load(held)
      for r = 1, #record, 2 do
        local c = touch(byName[record[r]])
        if kind == 'h' then c.held = c.held - record[r + 1] else c.spent = c.spent - record[r + 1] end
      end
    end
    local actual, lost, at = unpackStruct('<I2I2', op, 2)
    local shares = { unpackStruct(format('I2d', actual + lost), op, at) }
    local from, to = 1, actual
    if not known then from, to = actual + 1, actual + lost end
    for s = 2 * from - 1, 2 * to, 2 do
      local c = touch(list[shares[s]])
      c.spent = c.spent + shares[s + 1]
    end
    change(i, 's')
    deadlines[reservations[i]] = false
    local answer = {}
    for s, c in ipairs(touched) do
      local n = 4 * s - 3
      answer[n], answer[n + 1] = c.at, c.base + c.spent
      answer[n + 2], answer[n + 3] = c.held, slack(c)
    end
    return 'd' .. packStruct(format('I2ddd', #touched), unpack(answer))
  end

  local result = {}
  for i = 1, #reservations do
    local op = ARGV[last + i]
    local kind = string.sub(op, 1, 1)
    if kind == 's' then result[i] = settle(i, op) else result[i] = hold(i, op, kind == 'n') end
  end
  save()
  local ended, ids = {}, {}
  for _, key in ipairs(order) do
    if changed[key] == 's' then
      ended[#ended + 1] = key
      ids[#ids + 1] = idOf(key)
    else
      redis.call('SET', key, changed[key], 'PX', lives[key])
    end
    local deadline = deadlines[key]
    if deadline then
      redis.call('ZADD', KEYS[1], text(deadline), key)
    elseif deadline == false then
      redis.call('ZREM', KEYS[1], key)
    end
  end
  if #ended > 0 then
    redis.call('DEL', unpack(ended))
    redis.call('SADD', settledKey(0), unpack(ids))
    redis.call('PEXPIRE', settledKey(0), 4 * SETTLED_MS)
  end
  for place = #names + 1, #list do result[#result + 1] = list[place].name end
  return result
end

local function extend()
  local deadline = text(clock() + tonumber(ARGV[5]))
  local args = {}
  for i = 6, #ARGV do
    args[#args + 1] = deadline
    args[#args + 1] = ARGV[i]
  end
  return redis.call('ZADD', KEYS[1], 'XX', unpack(args))
end

local function sweep()
  -- Freed aside: expiring by itself, a set of hundreds of thousands would stop the server for that long.
  redis.call('UNLINK', settledKey(2), settledKey(3))
  local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', text(clock()), 'LIMIT', 0, ARGV[5])
  local expired = {}
  for _, key in ipairs(due) do
    local stored = redis.call('GET', key)
    if stored and string.sub(stored, 1, 1) == 'h' then
      local record = cmsgpack.unpack(string.sub(stored, 2))
      local names = {}
      for r = 1, #record, 2 do names[#names + 1] = record[r] end
      load(names)
      for r = 1, #record, 2 do
        local c = byName[record[r]]
        c.held = c.held - record[r + 1]
        c.spent = c.spent + record[r + 1]
        c.dirty = true
      end
      expired[key] = 'e' .. string.sub(stored, 2)
    end
  end
  save()
  local result = { 0 }
  for _, key in ipairs(due) do
    if expired[key] then
      redis.call('SET', key, expired[key], 'PX', EXPIRED_MS)
      result[1] = result[1] + 1
    end
    redis.call('ZREM', KEYS[1], key)
  end
  for _, part in ipairs(redis.call('HGETALL', ALERTS)) do result[#result + 1] = part end
  return result
end

-- The last number of a giver that was done here: none is done twice, however late it comes.
local function done(number)
  return (tonumber(redis.call('GET', PREFIX .. 't:' .. ARGV[6]) or 0)) >= number
end
local function note()
  redis.call('SET', PREFIX .. 't:' .. ARGV[6], ARGV[7], 'PX', HELD_MS)
end

local function grant()
  local numbered = ARGV[6] ~= ''
  if numbered then
    if (redis.call('GET', PREFIX .. 'epoch') or '') ~= ARGV[5] then return 0 end
    if done(tonumber(ARGV[7])) then return 0 end
  end
  local names = {}
  for i = 8, #ARGV, 4 do names[#names + 1] = ARGV[i] end
  load(names)
  for i = 8, #ARGV, 4 do
    local c = byName[ARGV[i]]
    c.allowance = c.allowance + tonumber(ARGV[i + 1])
    c.base = tonumber(ARGV[i + 3]) or math.max(0, tonumber(ARGV[i + 2]) - c.allowance)
    c.dirty = true
  end
  save()
  if numbered then note() end
  return 1
end

local function trim()
  local names, result = {}, {}
  for i = 8, #ARGV, 2 do names[#names + 1] = ARGV[i] end
  load(names)
  for i = 8, #ARGV, 2 do
    local c = byName[ARGV[i]]
    local free = slack(c) - tonumber(ARGV[i + 1])
    if free > 0 then
      c.allowance = c.allowance - free
      c.dirty = true
      result[#result + 1] = c.name
      result[#result + 1] = text(free)
    end
  end
  save()
  if ARGV[6] ~= '' and #result > 0 then
    note()
    redis.call('HSET', RETURNING, ARGV[6], text(clock()) .. ' ' .. ARGV[7] .. ' ' .. cjson.encode(result))
  end
  return result
end

if COMMAND == 'ops' then return operate() end
if COMMAND == 'extend' then return extend() end
if COMMAND == 'sweep' then return sweep() end
if COMMAND == 'grant' then return grant() end
return trim()
