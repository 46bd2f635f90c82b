-- Adds a reservation, up to a maximum number in a sliding time window.
--
-- Input:  KEYS[1] the reservations by when they count, a sorted set
--         ARGV[1] the id of the reservation; one that exists is left as it is
--         ARGV[2] when it counts, in milliseconds since 1970; later than now for what is scheduled
--         ARGV[3] now, in milliseconds since 1970
--         ARGV[4] the length of the window, in milliseconds
--         ARGV[5] the maximum number of reservations in a window
-- Output: 0 reserved; else when the next one is possible, in milliseconds since 1970
local at, now, window, max = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
-- Every window that would hold it lies within these limits.
local from, to = '(' .. (at - window), '(' .. (at + window)
local count = redis.call('ZCOUNT', KEYS[1], from, to)
if count >= max then
  local leaves = redis.call('ZRANGEBYSCORE', KEYS[1], from, to, 'WITHSCORES', 'LIMIT', count - max, 1)
  return tonumber(leaves[2]) + window
end
redis.call('ZADD', KEYS[1], at, ARGV[1])
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
redis.call('PEXPIREAT', KEYS[1], tonumber(last[2]) + window)
return 0
