-- Chooses a bot for a request: of those with room the least busy one, of equals the one that was chosen least recently.
--
-- Input:  KEYS[1] when each bot was chosen last, a sorted set of addresses
--         KEYS[2...] for each bot its running requests by when their leases end, a sorted set of hashes
--         ARGV[1] now, in milliseconds since 1970
--         ARGV[2] when the new lease ends
--         ARGV[3] the hash
--         ARGV[4...] address and concurrency of each bot
-- Output: the number of the chosen bot from 1, or 0 when none has room
local best, least, longest = 0, nil, nil
for i = 1, #KEYS - 1 do
  local key, address, concurrency = KEYS[i + 1], ARGV[2 + 2 * i], tonumber(ARGV[3 + 2 * i])
  redis.call('ZREMRANGEBYSCORE', key, '-inf', ARGV[1])
  local busy = redis.call('ZCARD', key) / concurrency
  local chosen = tonumber(redis.call('ZSCORE', KEYS[1], address) or 0)
  if busy < 1 and (best == 0 or busy < least or (busy == least and chosen < longest)) then
    best, least, longest = i, busy, chosen
  end
end
if best == 0 then return 0 end
redis.call('ZADD', KEYS[best + 1], ARGV[2], ARGV[3])
redis.call('PEXPIREAT', KEYS[best + 1], ARGV[2])
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2 + 2 * best])
redis.call('PEXPIRE', KEYS[1], 86400000)
return best
