-- Which requests still wait for their first attempt, by the text of their records: none is decoded.
--
-- Input:  KEYS the records
-- Output: for each of them in order 1 where its record says that it is pending, else 0: so also where there is none
local answers = {}
for i, record in ipairs(redis.call('MGET', unpack(KEYS))) do
  answers[i] = record and string.find(record, '"status":"pending"', 1, true) and 1 or 0
end
return answers
