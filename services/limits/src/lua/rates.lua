-- Takes from several keys, or from none of them; what is given back (a cost below 0) is given back in any case. A key holds the time at which everything is back, in microseconds of
-- this server's clock. For each key: microseconds until one comes back, how many there are,
-- the cost, how far the caller thinks it is ahead, and how far it is at least because of what was taken without us.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local stored, found, before, after, refused = {}, {}, {}, {}, 0
for i, key in ipairs(KEYS) do
  local at = (i - 1) * 5
  local interval, burst, cost = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local known, owed = tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5])
  local full = after[key]
  if not full then
    stored[key] = tonumber(redis.call('GET', key) or '')
    -- What is not there ended, or was lost: then the caller's memory stands in.
    full = math.max(stored[key] or (now + known), now + owed, now)
    -- Not later than it can be: the clock was set back, or the policy was smaller.
    full = math.min(full, now + burst * interval)
    found[key], before[key] = full, full
  end
  local next = math.max(full + cost * interval, now)
  if cost > 0 and next > now + burst * interval and refused == 0 then
    refused = i
  end
  if cost < 0 then
    before[key] = math.max(before[key] + cost * interval, now)
  end
  after[key] = next
end
local answer = { now, refused }
for i, key in ipairs(KEYS) do
  local full = before[key]
  if refused == 0 then
    full = after[key]
  end
  if full ~= stored[key] then
    -- What was given back stays told for as long as somebody may remember what it was before.
    local life = math.ceil((math.max(full, found[key]) - now) / 1000)
    if life > 0 then
      stored[key] = full
      redis.call('SET', key, string.format('%.0f', full), 'PX', life)
    end
  end
  answer[i + 2] = full - now
end
return answer
