-- Adds a member to a sorted set of the newest, and makes the set live long enough.
--
-- Input:  KEYS[1] the sorted set
--         ARGV[1] the score; the members with the highest ones stay
--         ARGV[2] the member
--         ARGV[3] the maximum number of members
--         ARGV[4] how long the set lives at least, in milliseconds
-- Output: 1
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - ARGV[3])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
return 1
