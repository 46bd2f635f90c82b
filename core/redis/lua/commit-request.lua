-- Stores the next state of a request if the stored value is still the one that was read, adds its entry to the
-- timeline, and publishes it.
--
-- Input:  KEYS[1] the record
--         KEYS[2] the one-time code
--         KEYS[3] the backup: the last own write, for a reader that finds the record overwritten
--         KEYS[4] the timeline, a list
--         KEYS[5] and further ones are deleted
--         ARGV[1] the value that was read; WRONGTYPE when it was no string
--         ARGV[2] the value to store
--         ARGV[3] when it expires, in milliseconds since 1970
--         ARGV[4] the request's channel; '' publishes nothing there
--         ARGV[5] the public view
--         ARGV[6] when the backup expires, in milliseconds since 1970
--         ARGV[7] the entry to add to the timeline, which begins with its time in 24 characters; '' adds none
--         ARGV[8] how many entries the timeline keeps; 0: the entry replaces the last one, except for its time
--         ARGV[9] the request's sharded channel, in a Cluster; '' publishes nothing there
--         ARGV[10] the code to store; '' deletes the code, absent leaves it
--         ARGV[11] when the code expires, in milliseconds since 1970
-- Output: 1 stored; the present value when another write came first, WRONGTYPE when it is no string;
--         nil when the record is missing
-- Event:  PUBLISH ARGV[4] ARGV[5], SPUBLISH ARGV[9] ARGV[5]
local present = redis.pcall('GET', KEYS[1])
if type(present) == 'table' then present = 'WRONGTYPE' end
if present ~= ARGV[1] then return present end
-- A full Redis refuses a script's first write if it may need memory, and lets pass what follows one that needs none.
redis.call('PEXPIREAT', KEYS[1], ARGV[3])
redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ARGV[3])
redis.call('SET', KEYS[3], ARGV[2], 'PXAT', ARGV[6])
if ARGV[7] ~= '' then
  local last = ARGV[8] == '0' and redis.pcall('LINDEX', KEYS[4], -1)
  if type(last) == 'string' then
    redis.call('LSET', KEYS[4], -1, string.sub(last, 1, 24) .. string.sub(ARGV[7], 25))
  else
    local length = redis.pcall('RPUSH', KEYS[4], ARGV[7])
    if type(length) == 'table' then
      -- Another program put something else there.
      redis.call('DEL', KEYS[4])
      length = redis.call('RPUSH', KEYS[4], ARGV[7])
    end
    if ARGV[8] ~= '0' and length > tonumber(ARGV[8]) then redis.call('LTRIM', KEYS[4], -ARGV[8], -1) end
  end
  redis.call('PEXPIREAT', KEYS[4], ARGV[3])
end
if ARGV[10] == '' then redis.call('DEL', KEYS[2]) end
if ARGV[11] then redis.call('SET', KEYS[2], ARGV[10], 'PXAT', ARGV[11]) end
for i = 5, #KEYS do redis.call('DEL', KEYS[i]) end
if ARGV[4] ~= '' then redis.call('PUBLISH', ARGV[4], ARGV[5]) end
if ARGV[9] ~= '' then redis.call('SPUBLISH', ARGV[9], ARGV[5]) end
return 1
