-- Finds pending requests by the text of their records, without decoding them.
--
-- Input:  KEYS the records
-- Output: for each of them in order 1 when the record is pending, 0 when it is not or is missing
local answers = {}
for i, record in ipairs(redis.call('MGET', unpack(KEYS))) do
  answers[i] = record and string.find(record, '"status":"pending"', 1, true) and 1 or 0
end
return answers
