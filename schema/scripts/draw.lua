-- A part of somebody's rate limit for one process. The window begins with its first draw.
-- KEYS: where it is counted. ARGV: how much, and the milliseconds of a window.
-- Answers what was drawn before, and the milliseconds that are left.
local drawn = redis.call('incrby', KEYS[1], ARGV[1])
if drawn == tonumber(ARGV[1]) then redis.call('pexpire', KEYS[1], ARGV[2]) end
return {drawn - ARGV[1], redis.call('pttl', KEYS[1])}
