-- Would a send succeed? Does what one does, under names of its own, and leaves nothing behind.
-- KEYS: waiting and messages of the attempt, then of each queue. ARGV: the channel that wakes workers, and nobody's queue.
for i = 3, #KEYS do
    local kind, found = i % 2 == 1 and 'list' or 'hash', redis.call('type', KEYS[i]).ok
    if found ~= 'none' and found ~= kind then return redis.error_reply('WRONGTYPE ' .. KEYS[i] .. ' is a ' .. found) end
end
redis.call('hsetnx', KEYS[2], 'attempt', '')
redis.call('rpush', KEYS[1], 'attempt')
redis.call('publish', ARGV[1], ARGV[2])
redis.call('del', KEYS[1], KEYS[2])
