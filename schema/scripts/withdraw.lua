-- Messages out of the queue: only those that still wait. What a worker holds is the worker's to acknowledge.
-- KEYS: waiting, messages. ARGV: ids.
local removed = 0
for i = 1, #ARGV do
    if redis.call('lrem', KEYS[1], 1, ARGV[i]) > 0 then
        redis.call('hdel', KEYS[2], ARGV[i])
        removed = removed + 1
    end
end
return removed
