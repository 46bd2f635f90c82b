-- Keeps what is told of a failed request, and not more of them, nor longer, than is wanted.
--
-- Input:  KEYS[1] hashes by when they failed, a sorted set
--         KEYS[2] what is kept of each, a hash
--         ARGV[1] the request's hash
--         ARGV[2] when it failed, in milliseconds since 1970
--         ARGV[3] what is kept of it
--         ARGV[4] the most that are kept
--         ARGV[5] how long they are kept, in milliseconds
-- Output: 1 kept; 0 it was there already
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
-- In this order: a key of the wrong type fails the script before anything is kept.
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
local gone = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[2] - ARGV[5])
local tooMany = redis.call('ZCARD', KEYS[1]) - #gone - ARGV[4]
if tooMany > 0 then
  for _, hash in ipairs(redis.call('ZRANGE', KEYS[1], #gone, #gone + tooMany - 1)) do gone[#gone + 1] = hash end
end
for _, hash in ipairs(gone) do
  redis.call('ZREM', KEYS[1], hash)
  redis.call('HDEL', KEYS[2], hash, hash .. ' retried')
end
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[5]) end
return 1
