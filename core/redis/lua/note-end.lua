-- Counts the failures of a service in a row, and closes it after too many with one code. A completed request opens it again,
-- unless an operator closed it.
--
-- Input:  KEYS[1] what operators set, a hash
--         KEYS[2] the last failures in a row, a hash of code and count
--         ARGV[1] the service's field in KEYS[1]
--         ARGV[2] the code of a failed request; empty for a completed one
--         ARGV[3] after how many failures it is closed
--         ARGV[4] the value of a closed service
--         ARGV[5] how long failures count, in seconds
-- Output: 1 it was closed or opened; 0 it was not
local present = redis.call('HGET', KEYS[1], ARGV[1])
if ARGV[2] == '' then
  redis.call('DEL', KEYS[2])
  if not present or not string.find(present, '"by":"failures"', 1, true) then return 0 end
  return redis.call('HDEL', KEYS[1], ARGV[1])
end
if redis.call('HGET', KEYS[2], 'code') ~= ARGV[2] then
  redis.call('DEL', KEYS[2])
  redis.call('HSET', KEYS[2], 'code', ARGV[2])
end
local count = redis.call('HINCRBY', KEYS[2], 'count', 1)
redis.call('EXPIRE', KEYS[2], ARGV[5])
if present or count < tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[4])
return 1
