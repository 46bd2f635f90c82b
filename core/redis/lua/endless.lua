-- Which keys have no end.
--
-- Input:  KEYS the keys
-- Output: those of them that are there and never expire
local endless = {}
for _, key in ipairs(KEYS) do
  if redis.call('PTTL', key) == -1 then endless[#endless + 1] = key end
end
return endless
