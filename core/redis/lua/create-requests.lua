-- Stores new requests: the record, its entry in the list, and the time of its first check.
--
-- Input:  KEYS[1] the list of requests, newest first
--         KEYS[2] the deadline index, a sorted set
--         KEYS[3...] the records
--         ARGV[1] how many entries the list keeps
--         ARGV[2] how long the list lives, in seconds
--         ARGV[3...] for each record: the hash, the value, when it expires, when it is checked first
--                    (both in milliseconds since 1970)
-- Output: for each record in order 1 stored, 0 there was one already: then only the check is scheduled
-- A key of the wrong type fails the script before anything is stored.
redis.call('LLEN', KEYS[1])
local created = {}
local hashes = {}
for i = 3, #KEYS do
  local at = 3 + (i - 3) * 4
  local hash, value, expires, check = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  redis.call('ZADD', KEYS[2], check, hash)
  created[i - 2] = redis.call('SET', KEYS[i], value, 'PXAT', expires, 'NX') and 1 or 0
  if created[i - 2] == 1 then hashes[#hashes + 1] = hash end
end
if #hashes > 0 then
  redis.call('LPUSH', KEYS[1], unpack(hashes))
  redis.call('LTRIM', KEYS[1], 0, ARGV[1] - 1)
  redis.call('EXPIRE', KEYS[1], ARGV[2])
end
return created
