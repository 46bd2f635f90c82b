-- Finds where jobs stand in their queue.
--
-- Input:  KEYS[1] BullMQ's list of jobs that run before the prioritized ones
--         KEYS[2] BullMQ's set of prioritized jobs
--         ARGV    the ids of the jobs
-- Output: for each of them in order its position, 1 is next; 0 when it is not prioritized
local before = redis.call('LLEN', KEYS[1])
local positions = {}
for i, id in ipairs(ARGV) do
  local rank = redis.call('ZRANK', KEYS[2], id)
  positions[i] = rank and before + rank + 1 or 0
end
return positions
