-- A message is done with. With a reason it was thrown away, and is counted for a while.
-- KEYS: messages, what the worker holds, refused. ARGV: id, reason or '', the seconds for which it is counted.
if redis.call('srem', KEYS[2], ARGV[1]) > 0 then redis.call('hdel', KEYS[1], ARGV[1]) end
if ARGV[2] ~= '' then
    redis.call('hincrby', KEYS[3], ARGV[2], 1)
    redis.call('expire', KEYS[3], ARGV[3])
end
