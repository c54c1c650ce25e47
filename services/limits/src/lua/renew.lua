-- Gives streams (ARGV[2] and on, one for each key) another lease (ARGV[1], in milliseconds). One that is not there was
-- lost, or began while this server was away: it counts from now on.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local lease = tonumber(ARGV[1])
for i, key in ipairs(KEYS) do
  redis.call('ZADD', key, string.format('%.0f', now + lease * 1000), ARGV[i + 1])
  redis.call('PEXPIRE', key, lease)
end
return #KEYS
