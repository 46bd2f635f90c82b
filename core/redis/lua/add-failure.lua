-- Lists a failed request, and removes those that are too many or too old.
--
-- Input:  KEYS[1] hashes by when they failed, a sorted set
--         KEYS[2] their entries, a hash
--         ARGV[1] the request's hash
--         ARGV[2] when it failed, in milliseconds since 1970
--         ARGV[3] its entry
--         ARGV[4] the maximum number of entries
--         ARGV[5] how long entries live, in milliseconds
-- Output: 1 added; 0 listed already
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
-- In this order: a key of the wrong type fails the script before anything is stored.
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
local removed = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[2] - ARGV[5])
local tooMany = redis.call('ZCARD', KEYS[1]) - #removed - ARGV[4]
if tooMany > 0 then
  for _, hash in ipairs(redis.call('ZRANGE', KEYS[1], #removed, #removed + tooMany - 1)) do removed[#removed + 1] = hash end
end
for _, hash in ipairs(removed) do
  redis.call('ZREM', KEYS[1], hash)
  redis.call('HDEL', KEYS[2], hash, hash .. ' retried')
end
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[5]) end
return 1
