-- Whoever listens is told of each change. ARGV: the channel, then the changes.
for i = 2, #ARGV do
    redis.call('publish', ARGV[1], ARGV[i])
end
