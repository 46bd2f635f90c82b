-- Takes due members and schedules them again, so that another caller gets others, and a crashed one loses none.
--
-- Input:  KEYS[1] hashes by when they are due, a sorted set
--         ARGV[1] now, in milliseconds since 1970
--         ARGV[2] how many at most, 3,000 or less
--         ARGV[3] when the taken ones are due again, in milliseconds since 1970
-- Output: the hashes, the longest overdue first
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
local moved = {}
for i, hash in ipairs(due) do
  moved[2 * i - 1] = ARGV[3]
  moved[2 * i] = hash
end
if #due > 0 then redis.call('ZADD', KEYS[1], unpack(moved)) end
return due
