-- Could a worker work? Does what our other scripts do, command by command, under names of its own; nothing is left behind.
-- KEYS: waiting, messages, workers, what this worker holds, refused; the same five of the attempt; and its rate.
-- ARGV: the channel that wakes workers, and nobody's queue.
local fault
local function try(command, ...)
    if fault then return end
    local answer = redis.pcall(command, ...)
    -- Redis 7.0 and before don't say which command it was.
    if type(answer) == 'table' and answer.err then
        fault = answer.err .. ' (' .. command .. (... and ' ' .. ... or '') .. ')'
    end
    return answer
end

-- First of all what frees memory, as in fetch: a worker works, and makes room, where Redis is full.
try('lpop', KEYS[6])
for i, kind in ipairs({'list', 'hash', 'zset', 'set', 'hash'}) do
    local found = try('type', KEYS[i])
    if not fault and found.ok ~= 'none' and found.ok ~= kind then
        fault = 'WRONGTYPE ' .. KEYS[i] .. ' is a ' .. found.ok
    end
end
try('hsetnx', KEYS[7], 'attempt', '')
try('rpush', KEYS[6], 'attempt')
try('publish', ARGV[1], ARGV[2])
try('lrange', KEYS[6], 0, -1)
try('llen', KEYS[6])
try('lrem', KEYS[6], 1, 'attempt')
try('time')
try('zadd', KEYS[8], 0, 'attempt')
try('zrange', KEYS[8], 0, -1)
try('zrangebyscore', KEYS[8], '-inf', 0)
try('zrem', KEYS[8], 'attempt')
try('sadd', KEYS[9], 'attempt')
try('smembers', KEYS[9])
try('srem', KEYS[9], 'attempt')
try('hstrlen', KEYS[7], 'attempt')
try('hget', KEYS[7], 'attempt')
try('hexists', KEYS[7], 'attempt')
try('hkeys', KEYS[7])
try('hlen', KEYS[7])
try('hdel', KEYS[7], 'attempt')
try('hincrby', KEYS[10], 'attempt', 1)
try('expire', KEYS[10], 1)
try('incrby', KEYS[11], 1)
try('pexpire', KEYS[11], 1)
try('pttl', KEYS[11])
try('del', KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11])
if fault then
    redis.pcall('del', KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11])
    return redis.error_reply(fault)
end
