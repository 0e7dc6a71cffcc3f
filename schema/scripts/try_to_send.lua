-- Would a send succeed? Does what one does, under names of its own, and leaves nothing behind.
-- KEYS: waiting, messages, and the same two of the attempt. ARGV: the channel that wakes workers, and nobody's queue.
for i, kind in ipairs({'list', 'hash'}) do
    local found = redis.call('type', KEYS[i]).ok
    if found ~= 'none' and found ~= kind then return redis.error_reply('WRONGTYPE ' .. KEYS[i] .. ' is a ' .. found) end
end
redis.call('hsetnx', KEYS[4], 'attempt', '')
redis.call('rpush', KEYS[3], 'attempt')
redis.call('publish', ARGV[1], ARGV[2])
redis.call('del', KEYS[3], KEYS[4])
