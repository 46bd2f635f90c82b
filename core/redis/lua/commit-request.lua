-- Stores the next state of a request if nobody has written since it was read, and tells everybody.
--
-- Input:  KEYS[1] the record
--         KEYS[2] the code's box
--         KEYS[3] the guard: what we wrote last, for whoever finds the record overwritten
--         ARGV[1] the value that was read; WRONGTYPE when it was no string
--         ARGV[2] the value to store
--         ARGV[3] when it expires, in milliseconds since 1970
--         ARGV[4] the request's channel
--         ARGV[5] the public view
--         ARGV[6] until when the guard keeps the value, in milliseconds since 1970; '' leaves the guard alone
--         ARGV[7] the code to put into the box; '' empties the box, absent leaves it
--         ARGV[8] when the code expires, in milliseconds since 1970
-- Output: 1 stored; the present value when somebody was faster, WRONGTYPE when it is no string;
--         nil when the request is gone
-- Event:  PUBLISH ARGV[4] ARGV[5]
local present = redis.pcall('GET', KEYS[1])
if type(present) == 'table' then present = 'WRONGTYPE' end
if present ~= ARGV[1] then return present end
-- A full Redis refuses a script's first write if it may need memory, and lets pass what follows one that needs none.
redis.call('PEXPIREAT', KEYS[1], ARGV[3])
redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ARGV[3])
if ARGV[6] ~= '' then redis.call('SET', KEYS[3], ARGV[2], 'PXAT', ARGV[6]) end
if ARGV[7] == '' then redis.call('DEL', KEYS[2]) end
if ARGV[8] then redis.call('SET', KEYS[2], ARGV[7], 'PXAT', ARGV[8]) end
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 1
