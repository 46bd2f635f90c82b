-- Reserves places in a set that holds so many members at most.
--
-- Input:  KEYS[1] members by when their places are free again, in milliseconds since 1970, a sorted set
--         ARGV[1] places that were free until then are given again, in milliseconds since 1970
--         ARGV[2] the most members
--         ARGV[3] 1 when the set expires with its last place, else 0
--         ARGV[4...] a score and a member, for each one that wants a place
-- Output: for each of them in order 1 it has a place, 2 it had one before, 0 there is none
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
local count = redis.call('ZCARD', KEYS[1])
local answers = {}
for i = 4, #ARGV, 2 do
  if redis.call('ZSCORE', KEYS[1], ARGV[i + 1]) then
    answers[#answers + 1] = 2
  elseif count < tonumber(ARGV[2]) then
    redis.call('ZADD', KEYS[1], ARGV[i], ARGV[i + 1])
    count = count + 1
    answers[#answers + 1] = 1
  else
    answers[#answers + 1] = 0
  end
end
if ARGV[3] == '1' and count > 0 then
  redis.call('PEXPIREAT', KEYS[1], redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2])
end
return answers
