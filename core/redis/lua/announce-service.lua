-- Stores what a bot announces: the definition of a service, and that the bot serves it.
--
-- A definition that is new replaces the present one. One that was replaced before stays replaced while a bot still announces
-- the newer one.
--
-- Input:  KEYS[1] services, a hash with the fields `definition`, `fingerprint`, `owner`, `at` of each slug, as `{slug} {field}`
--         KEYS[2] bots, a hash: `{slug} {address}` to an opaque value
--         KEYS[3] when each of these was announced last (milliseconds since 1970), a sorted set
--         KEYS[4] replaced definitions, `{slug} {fingerprint}` by when they were announced last, a sorted set
--         KEYS[5] the id of the latest change
--         ARGV[1..4] slug, owner, definition, its fingerprint
--         ARGV[5] address; empty for a definition without a bot
--         ARGV[6] the value for KEYS[2]
--         ARGV[7] now
--         ARGV[8] definitions announced up to this time are silent
--         ARGV[9] bots announced up to this time are removed, and services without a bot with them
--         ARGV[10] ARGV[11] the most services and bots
--         ARGV[12] how long everything is kept after this announcement, in milliseconds
--         ARGV[13] the id of this change, if it changes something
-- Output: 'ok', 'older' (another definition stands), 'full', or 'owner {name}' of another owner
local services, bots, seen, older, version = unpack(KEYS)
local slug, owner, definition, fingerprint, address, bot, now = unpack(ARGV)
local changed = false

local function slug_of(member) return string.match(member, '^%S+') end
for _, member in ipairs(redis.call('ZRANGEBYSCORE', seen, '-inf', ARGV[9])) do
  local gone = slug_of(member)
  redis.call('ZREM', seen, member)
  redis.call('HDEL', bots, member)
  local others = false
  for _, other in ipairs(redis.call('ZRANGE', seen, 0, -1)) do
    if slug_of(other) == gone then others = true end
  end
  if not others then
    redis.call('HDEL', services, gone .. ' definition', gone .. ' fingerprint', gone .. ' owner', gone .. ' at')
  end
  changed = true
end
redis.call('ZREMRANGEBYSCORE', older, '-inf', ARGV[9])

local stored = redis.call('HMGET', services, slug .. ' fingerprint', slug .. ' owner', slug .. ' at')
local present = stored[1]
if present and stored[2] ~= owner then return 'owner ' .. stored[2] end
if not present and redis.call('HLEN', services) >= 4 * tonumber(ARGV[10]) then return 'full' end
local member = slug .. ' ' .. address
if not redis.call('ZSCORE', seen, member) then
  if redis.call('ZCARD', seen) >= tonumber(ARGV[11]) then return 'full' end
  changed = true
end

local is_older = false
if present and present ~= fingerprint then
  local was_replaced = redis.call('ZSCORE', older, slug .. ' ' .. fingerprint)
  is_older = was_replaced and tonumber(stored[3]) > tonumber(ARGV[8])
  if is_older then
    redis.call('ZADD', older, now, slug .. ' ' .. fingerprint)
  else
    redis.call('ZREM', older, slug .. ' ' .. fingerprint)
    redis.call('ZADD', older, stored[3], slug .. ' ' .. present)
  end
end
if not is_older then
  changed = changed or present ~= fingerprint
  redis.call('HSET', services, slug .. ' definition', definition, slug .. ' fingerprint', fingerprint,
    slug .. ' owner', owner, slug .. ' at', now)
end
changed = changed or redis.call('HGET', bots, member) ~= bot
redis.call('HSET', bots, member, bot)
redis.call('ZADD', seen, now, member)
if changed then redis.call('SET', version, ARGV[13]) end
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[12]) end
return is_older and 'older' or 'ok'
