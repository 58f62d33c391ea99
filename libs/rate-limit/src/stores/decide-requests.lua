-- Counts one request in every window of a subject, or in none.
--
-- KEYS[1..n]   one list per window: stamps in microseconds, oldest first (all with the subject's hash tag)
-- ARGV[1]      time in microseconds for tests; '' takes the server's clock
-- ARGV[2..]    per window three numbers: limit, window in microseconds, page (requests per list entry)
-- returns      { allowed 0|1, microseconds to wait, then per window: requests used, microseconds until empty }
--
-- An entry bears the time of its last request. With page > 1 the requests of the newest entry are counted in the
-- key's companion `<key>:open`. All windows are checked before the first is written. A refused request only
-- forgets what has expired. Time never runs backwards within a log: a clock that stepped back by more
-- than a second moves the log with it. Twin: stores/memory-rate.store.ts.

local STEP = 1000000

local now
if ARGV[1] == '' then
  local t = redis.call('TIME')
  now = tonumber(t[1]) * 1000000 + tonumber(t[2])
else
  now = tonumber(ARGV[1])
end

local function text(number)
  return string.format('%.0f', number)
end

local windows = {}
local newest = -1
for i, key in ipairs(KEYS) do
  local at = 2 + (i - 1) * 3
  local last = tonumber(redis.call('LINDEX', key, -1) or -1)
  windows[i] = {
    key = key,
    limit = tonumber(ARGV[at]),
    span = tonumber(ARGV[at + 1]),
    page = tonumber(ARGV[at + 2]),
    last = last,
  }
  if last > newest then newest = last end
end

if newest > now then
  if newest - now <= STEP then
    now = newest
  else
    local by = newest - now
    for _, w in ipairs(windows) do
      if w.last >= 0 then
        local entries = redis.call('LRANGE', w.key, 0, -1)
        for i, stamp in ipairs(entries) do
          redis.call('LSET', w.key, i - 1, text(tonumber(stamp) - by))
        end
        w.last = w.last - by
      end
    end
  end
end

local wait = 0
for _, w in ipairs(windows) do
  local horizon = now - w.span
  if w.last >= 0 and w.last <= horizon then
    redis.call('DEL', w.key, w.key .. ':open')
    w.last = -1
  elseif w.last >= 0 then
    local more = true
    while more do
      local heads = redis.call('LRANGE', w.key, 0, 31)
      local gone = 0
      while heads[gone + 1] and tonumber(heads[gone + 1]) <= horizon do gone = gone + 1 end
      if gone > 0 then redis.call('LTRIM', w.key, gone, -1) end
      more = gone == 32
    end
  end
  w.entries = w.last < 0 and 0 or redis.call('LLEN', w.key)
  w.open = 0
  if w.entries > 0 then
    w.open = w.page == 1 and 1 or tonumber(redis.call('GET', w.key .. ':open') or w.page)
  end
  w.used = w.entries == 0 and 0 or (w.entries - 1) * w.page + w.open
  if w.used >= w.limit then
    local ahead = math.min(math.ceil((w.used + 1 - w.limit) / w.page), w.entries)
    local blocking = tonumber(redis.call('LINDEX', w.key, ahead - 1))
    wait = math.max(wait, blocking + w.span - now)
  end
end

local result = { wait == 0 and 1 or 0, text(wait) }
for _, w in ipairs(windows) do
  if wait == 0 then
    if w.entries > 0 and w.open < w.page then
      redis.call('LSET', w.key, -1, text(now))
    else
      redis.call('RPUSH', w.key, text(now))
      w.open = 0
    end
    local life = math.ceil(w.span / 1000) + 1000
    if w.page > 1 then redis.call('SET', w.key .. ':open', w.open + 1, 'PX', life) end
    redis.call('PEXPIRE', w.key, life)
    w.used = w.used + 1
    w.last = now
  end
  result[#result + 1] = w.used
  result[#result + 1] = text(w.used == 0 and 0 or w.last + w.span - now)
end
return result
