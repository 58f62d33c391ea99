-- Echo, for tests.
-- KEYS[1]  any key
-- ARGV[1]  any text
-- returns  {key, text}; an error without exactly one key
if #KEYS ~= 1 then
  return redis.error_reply('ERR one key')
end
return { KEYS[1], ARGV[1] }
