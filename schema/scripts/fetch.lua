-- The next messages, for one worker to hold. With a beat also: it lives, and what dead workers held waits again.
-- KEYS: waiting, messages, workers, what this worker holds.
-- ARGV: how many, the longest message, the worker, what the names of held sets begin with, and as the beat the
-- milliseconds after which the worker counts as dead without another one; 0 for no beat.
-- Answers how many came back from the dead, then id and message of each; nothing for a message that isn't there, and
-- the length of one that is too long.
local answer = {0}
for _ = 1, ARGV[1] do
    -- Before everything else: after a command that only frees memory, a full Redis lets the rest of a script pass.
    local id = redis.call('lpop', KEYS[1])
    if not id then break end
    redis.call('sadd', KEYS[4], id)
    local length = redis.call('hstrlen', KEYS[2], id)
    answer[#answer + 1] = id
    answer[#answer + 1] = length > tonumber(ARGV[2]) and length or redis.call('hget', KEYS[2], id)
end
if ARGV[5] == '0' then return answer end

local time = redis.call('time')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('zadd', KEYS[3], now + ARGV[5], ARGV[3])
for _, dead in ipairs(redis.call('zrangebyscore', KEYS[3], '-inf', '(' .. string.format('%.0f', now))) do
    local held = ARGV[4] .. dead
    -- Whatever else lies there is not ours, and must not keep the living from their messages.
    if redis.call('type', held).ok == 'set' then
        for _, id in ipairs(redis.call('smembers', held)) do
            if redis.call('hexists', KEYS[2], id) == 1 then
                redis.call('rpush', KEYS[1], id)
                answer[1] = answer[1] + 1
            end
        end
        redis.call('del', held)
    end
    redis.call('zrem', KEYS[3], dead)
end
return answer
