-- Stores the next state of a request if nobody has written since it was read, and tells everybody.
--
-- Input:  KEYS[1] the record
--         KEYS[2] the code's box
--         ARGV[1] the value that was read
--         ARGV[2] the value to store
--         ARGV[3] when it expires, in milliseconds since 1970
--         ARGV[4] the request's channel
--         ARGV[5] the public view
--         ARGV[6] the code to put into the box; '' empties the box, absent leaves it
--         ARGV[7] when the code expires, in milliseconds since 1970
-- Output: 1 stored; the present value when somebody was faster; nil when the request is gone
-- Event:  PUBLISH ARGV[4] ARGV[5]
local present = redis.call('GET', KEYS[1])
if present ~= ARGV[1] then return present end
redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ARGV[3])
if ARGV[6] == '' then redis.call('DEL', KEYS[2]) end
if ARGV[7] then redis.call('SET', KEYS[2], ARGV[6], 'PXAT', ARGV[7]) end
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 1
