-- Forget messages that no worker would ever get: they count as missing then.
-- A message is reachable when its id waits in the list, or is with a worker that somebody will find dead one day. An
-- evicting Redis may drop one of those keys and keep the messages' hash. As long as the counts agree, nothing else is
-- looked at.
-- KEYS: waiting, messages, workers. ARGV: what the names of held sets begin with.
local known, held = {}, 0
for _, worker in ipairs(redis.call('zrange', KEYS[3], 0, -1)) do
    local key = ARGV[1] .. worker
    local ids = redis.call('type', key).ok == 'set' and redis.call('smembers', key) or {}
    for _, id in ipairs(ids) do
        if redis.call('hexists', KEYS[2], id) == 1 then
            known[id], held = true, held + 1
        else
            redis.call('srem', key, id)
        end
    end
end
if redis.call('hlen', KEYS[2]) <= redis.call('llen', KEYS[1]) + held then return 0 end
for _, id in ipairs(redis.call('lrange', KEYS[1], 0, -1)) do known[id] = true end
local dropped = 0
for _, id in ipairs(redis.call('hkeys', KEYS[2])) do
    if not known[id] then dropped = dropped + redis.call('hdel', KEYS[2], id) end
end
return dropped
