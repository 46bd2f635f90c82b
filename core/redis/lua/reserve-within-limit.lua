-- Adds members to a sorted set, up to a maximum number of members.
--
-- Input:  KEYS[1] the members by when they expire (milliseconds since 1970), a sorted set
--         ARGV[1] members with a score up to this are removed first
--         ARGV[2] the maximum number of members
--         ARGV[3] 1 when the set expires with its last member, else 0
--         ARGV[4...] a score and a member for each reservation
-- Output: for each in order 1 added, 2 was a member before, 0 limit reached
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
