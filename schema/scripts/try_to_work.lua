-- Could a worker work? Does what our other scripts do, command by command, under names of its own; nothing is left behind.
-- KEYS: waiting, messages, workers, what this worker holds, refused of the attempt; its rate; the five of each queue.
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
try('lpop', KEYS[1])
local kinds = {'list', 'hash', 'zset', 'set', 'hash'}
for i = 7, #KEYS do
    local kind, found = kinds[(i - 7) % 5 + 1], try('type', KEYS[i])
    if not fault and found.ok ~= 'none' and found.ok ~= kind then
        fault = 'WRONGTYPE ' .. KEYS[i] .. ' is a ' .. found.ok
    end
end
try('hsetnx', KEYS[2], 'attempt', '')
try('rpush', KEYS[1], 'attempt')
try('publish', ARGV[1], ARGV[2])
try('lrange', KEYS[1], 0, -1)
try('llen', KEYS[1])
try('lrem', KEYS[1], 1, 'attempt')
try('time')
try('zadd', KEYS[3], 0, 'attempt')
try('zrange', KEYS[3], 0, -1)
try('zrangebyscore', KEYS[3], '-inf', 0)
try('zrem', KEYS[3], 'attempt')
try('sadd', KEYS[4], 'attempt')
try('smembers', KEYS[4])
try('srem', KEYS[4], 'attempt')
try('hstrlen', KEYS[2], 'attempt')
try('hget', KEYS[2], 'attempt')
try('hexists', KEYS[2], 'attempt')
try('hkeys', KEYS[2])
try('hlen', KEYS[2])
try('hdel', KEYS[2], 'attempt')
try('hincrby', KEYS[5], 'attempt', 1)
try('expire', KEYS[5], 1)
try('incrby', KEYS[6], 1)
try('pexpire', KEYS[6], 1)
try('pttl', KEYS[6])
try('del', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6])
if fault then
    redis.pcall('del', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6])
    return redis.error_reply(fault)
end
