-- Writes, for tests.
-- KEYS[1] key, ARGV[1] value
return redis.call('SET', KEYS[1], ARGV[1])
