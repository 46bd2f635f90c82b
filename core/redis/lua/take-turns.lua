-- Whose turn is when: gives persons the next round in which none of theirs waits, among those who wait in a queue.
--
-- Input:  KEYS[1] BullMQ's set of prioritized jobs; a score is priority * 2^32 + a count, a priority is base + round
--         KEYS[2] the last round of each person, a sorted set
--         ARGV[1] the lowest score of this level of urgency
--         ARGV[2] the lowest score that is above it
--         ARGV[3] the level's base
--         ARGV[4] the last round there is
--         ARGV[5] how long rounds are remembered while nobody waits, in milliseconds
--         ARGV[6] how many sessions of one network have a request in the same round
--         ARGV[7...] the persons, as often as they want a turn: a name, or for a session its name, a dot, its network
-- Output: the rounds, from 1, in the order of the persons
local DAY = 86400000
local head = redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[1], '(' .. ARGV[2], 'WITHSCORES', 'LIMIT', 0, 1)
local left = redis.call('PTTL', KEYS[2])
local over = 0
if head[2] then
  -- Rounds before the first that waits are over: whoever comes now begins with this one.
  over = math.max(0, math.floor(tonumber(head[2]) / 4294967296) - tonumber(ARGV[3]) - 1)
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', over)
elseif left > tonumber(ARGV[5]) and left < DAY - ARGV[5] then
  -- The last turn was given longer ago than an added job takes: these rounds are over, nobody's past counts.
  redis.call('DEL', KEYS[2])
end
local rounds = {}
local lasts = {}
local function lastOf(name)
  return lasts[name] or math.max(tonumber(redis.call('ZSCORE', KEYS[2], name) or 0), over)
end
-- A network has a few places in each round. The one whose last round is the latest before the wanted one fits best, so
-- that a session with many requests keeps to one place; without a free one, the round after the earliest is taken.
local function takePlace(network, wanted)
  local best, earliest
  for n = 1, tonumber(ARGV[6]) do
    local name = network .. '#' .. n
    local last = lastOf(name)
    if last < wanted and (not best or last > lastOf(best)) then best = name end
    if not earliest or last < lastOf(earliest) then earliest = name end
  end
  local round = best and wanted or lastOf(earliest) + 1
  lasts[best or earliest] = round
  return round
end
for i = 7, #ARGV do
  local person, network = string.match(ARGV[i], '^([^.]*)%.(.*)$')
  person = person or ARGV[i]
  local round = math.min(lastOf(person) + 1, tonumber(ARGV[4]))
  if network then round = math.min(takePlace(network, round), tonumber(ARGV[4])) end
  lasts[person] = round
  rounds[i - 6] = round
end
for person, last in pairs(lasts) do redis.call('ZADD', KEYS[2], last, person) end
-- Nobody waits, or somebody's job is about to be added: all begin anew, but not just yet.
left = redis.call('PTTL', KEYS[2])
if head[2] then
  redis.call('PEXPIRE', KEYS[2], DAY)
elseif left < 0 or left > tonumber(ARGV[5]) then
  redis.call('PEXPIRE', KEYS[2], ARGV[5])
end
return rounds
