-- Assigns each submitter the next round in which none of its requests waits, and says where its job will stand.
--
-- Input:  KEYS[1] BullMQ's set of prioritized jobs; a score is priority * 2^32 + a count, a priority is base + round
--         KEYS[2] the last round of each submitter, a sorted set
--         KEYS[3] BullMQ's list of jobs that run before the prioritized ones
--         ARGV[1] the lowest score of this level of urgency
--         ARGV[2] the lowest score that is above it
--         ARGV[3] the level's base
--         ARGV[4] the last round there is
--         ARGV[5] how long rounds are kept while no job waits, in milliseconds
--         ARGV[6] how many sessions of one network share a round
--         ARGV[7...] the submitters, one per request: a network, or session.network
-- Output: for each submitter in order its round, from 1, and the position of a job that is added to it next, 1 is the first
local DAY = 86400000
local head = redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[1], '(' .. ARGV[2], 'WITHSCORES', 'LIMIT', 0, 1)
local left = redis.call('PTTL', KEYS[2])
local over = 0
if head[2] then
  -- Rounds before the first waiting job are over: new requests start in its round.
  over = math.max(0, math.floor(tonumber(head[2]) / 4294967296) - tonumber(ARGV[3]) - 1)
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', over)
elseif left > tonumber(ARGV[5]) and left < DAY - ARGV[5] then
  -- The last round was assigned longer ago than adding its job takes: all rounds are over.
  redis.call('DEL', KEYS[2])
end
local before = redis.call('LLEN', KEYS[3])
local assigned = {}
local waiting = {}
local answer = {}
local lasts = {}
local function lastOf(name)
  return lasts[name] or math.max(tonumber(redis.call('ZSCORE', KEYS[2], name) or 0), over)
end
-- How many jobs run before one that is added to this round now.
local function waitingUntil(round)
  local ends = string.format('(%.0f', (tonumber(ARGV[3]) + round + 1) * 4294967296)
  waiting[round] = waiting[round] or redis.call('ZCOUNT', KEYS[1], '-inf', ends)
  local count = before + waiting[round]
  for other, jobs in pairs(assigned) do
    if other <= round then count = count + jobs end
  end
  return count
end
-- A network has ARGV[6] lanes, each with one request in a round. The lane whose last round is the latest before the wanted
-- one fits best, so that a session with many requests keeps to one lane; without a free lane, the round after the earliest
-- is taken.
local function assignInLane(network, wanted)
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
  local submitter, network = string.match(ARGV[i], '^([^.]*)%.(.*)$')
  submitter = submitter or ARGV[i]
  local round = math.min(lastOf(submitter) + 1, tonumber(ARGV[4]))
  if network then round = math.min(assignInLane(network, round), tonumber(ARGV[4])) end
  lasts[submitter] = round
  answer[#answer + 1] = round
  answer[#answer + 1] = waitingUntil(round) + 1
  assigned[round] = (assigned[round] or 0) + 1
end
for submitter, last in pairs(lasts) do redis.call('ZADD', KEYS[2], last, submitter) end
-- No job waits, or one is about to be added: the rounds expire, but not before it is.
left = redis.call('PTTL', KEYS[2])
if head[2] then
  redis.call('PEXPIRE', KEYS[2], DAY)
elseif left < 0 or left > tonumber(ARGV[5]) then
  redis.call('PEXPIRE', KEYS[2], ARGV[5])
end
return answer
