-- Holds a queue: nothing of it is begun for so long. One that is held for longer stays so.
--
-- Input:  KEYS[1] BullMQ's count for the queue's rate limit
--         ARGV[1] a count that is above any limit
--         ARGV[2] how long, in milliseconds
-- Output: 1 held from now on; 0 it was held for longer already
local isHeld = tonumber(redis.call('GET', KEYS[1]) or 0) >= tonumber(ARGV[1])
if isHeld and redis.call('PTTL', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
