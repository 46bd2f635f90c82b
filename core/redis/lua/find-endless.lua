-- Finds keys without an expiry.
--
-- Input:  KEYS the keys
-- Output: those of them that exist and never expire
local endless = {}
for _, key in ipairs(KEYS) do
  if redis.call('PTTL', key) == -1 then endless[#endless + 1] = key end
end
return endless
