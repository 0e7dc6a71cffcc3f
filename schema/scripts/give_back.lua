-- What a worker holds waits again, except what it keeps.
-- KEYS: waiting, messages, what the worker holds. ARGV: ids that it keeps.
local kept = {}
for i = 1, #ARGV do kept[ARGV[i]] = true end
for _, id in ipairs(redis.call('smembers', KEYS[3])) do
    if not kept[id] then
        redis.call('srem', KEYS[3], id)
        if redis.call('hexists', KEYS[2], id) == 1 then redis.call('rpush', KEYS[1], id) end
    end
end
