-- Adds to what was spent of several keys, or to none of them. ARGV[1]: milliseconds until nobody asks for them any more.
-- For each key: the amount (below 0 gives back), the allowance (0 for none), what the caller thinks was spent, and what was
-- spent without us.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local stored, before, after, refused = {}, {}, {}, 0
for i, key in ipairs(KEYS) do
  local at = (i - 1) * 4 + 1
  local amount, allowance = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local known, owed = tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
  if not after[key] then
    stored[key] = tonumber(redis.call('GET', key) or '')
    before[key] = stored[key] or known
    after[key] = before[key]
  end
  before[key] = math.max(before[key] + owed, 0)
  local spent = math.max(after[key] + owed, 0)
  if amount > 0 and allowance > 0 and spent + amount > allowance and refused == 0 then
    refused = i
  end
  after[key] = math.max(spent + amount, 0)
end
local answer = { now, refused }
for i, key in ipairs(KEYS) do
  local spent = after[key]
  if refused > 0 then
    spent = before[key]
  end
  if spent ~= stored[key] then
    stored[key] = spent
    redis.call('SET', key, string.format('%.0f', spent), 'PX', ARGV[1])
  end
  answer[i + 2] = spent
end
return answer
