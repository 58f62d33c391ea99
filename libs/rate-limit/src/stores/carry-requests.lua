-- Adds requests of a subject that were counted elsewhere while Redis was away, each at its own time.
--
-- KEYS[1..n]   the lists of the subject's windows, as decide-requests.lua keeps them
-- ARGV[1]      time in microseconds for tests; '' takes the server's clock
-- ARGV[2..]    per window: window in microseconds, page (requests per entry), how many entries, then the age of each in
--              microseconds, oldest first
-- returns      entries that were added and have not expired
--
-- Entries stay in the order of their stamps, so that the head is what expires next. An entry stands for a whole page.
-- Everything is read and merged before the first write.

local now
if ARGV[1] == '' then
  local t = redis.call('TIME')
  now = tonumber(t[1]) * 1000000 + tonumber(t[2])
else
  now = tonumber(ARGV[1])
end

local added, merged, at = 0, {}, 2
for i, key in ipairs(KEYS) do
  local span, page, count = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local here = redis.call('LRANGE', key, 0, -1)
  local all, h, newest = {}, 1, 'here'
  for n = 1, count do
    local stamp = now - tonumber(ARGV[at + 2 + n])
    if stamp > now - span then
      while here[h] and tonumber(here[h]) <= stamp do
        all[#all + 1] = here[h]
        h = h + 1
      end
      all[#all + 1] = string.format('%.0f', stamp)
      added = added + 1
      newest = here[h] and 'here' or 'carried'
    end
  end
  for n = h, #here do all[#all + 1] = here[n] end
  merged[i] = { all = all, page = page, whole = newest == 'carried', life = math.ceil(span / 1000) + 1000 }
  at = at + 3 + count
end
for i, key in ipairs(KEYS) do
  local m = merged[i]
  if #m.all > 0 then
    redis.call('DEL', key)
    for from = 1, #m.all, 1000 do
      redis.call('RPUSH', key, unpack(m.all, from, math.min(from + 999, #m.all)))
    end
    redis.call('PEXPIRE', key, m.life)
    if m.page > 1 and m.whole then redis.call('SET', key .. ':open', m.page, 'PX', m.life) end
  end
end
return added
