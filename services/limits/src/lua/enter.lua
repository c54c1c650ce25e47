-- Enters a stream (ARGV[1]) into a key's sorted set, by the time in microseconds at which its lease (ARGV[2], in
-- milliseconds) is over, unless there are so many (ARGV[3]) already. 1 when it is in.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local lease = tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then
  return 0
end
redis.call('ZADD', KEYS[1], string.format('%.0f', now + lease * 1000), ARGV[1])
redis.call('PEXPIRE', KEYS[1], lease)
return 1
