-- Messages into the queue. One that is still there is not sent twice.
-- KEYS: waiting, messages. ARGV: id and message of each, then the channel that wakes workers, and the queue's name.
local sent = 0
for i = 1, #ARGV - 2, 2 do
    if redis.call('hsetnx', KEYS[2], ARGV[i], ARGV[i + 1]) == 1 then
        redis.call('rpush', KEYS[1], ARGV[i])
        sent = sent + 1
    end
end
if sent > 0 then redis.call('publish', ARGV[#ARGV - 1], ARGV[#ARGV]) end
return sent
