package store

import "github.com/redis/go-redis/v9"

// The scripts run in the server, each as one step that nothing comes between.
// They read the time there, so that the machines' clocks need not agree. They
// name keys that are not among their arguments (an owner's items): a Redis
// cluster, which shares keys out, is not what they are for.
var (
	// getScript returns the value (or nothing) and the milliseconds it has left.
	getScript = redis.NewScript(`
return {redis.call('HGET', KEYS[1], 'v'), redis.call('PTTL', KEYS[1])}`)

	// putScript stores an item: value, owner, milliseconds, condition (0 always,
	// 1 if absent, 2 if present), beginning of the owners' names.
	putScript = redis.NewScript(`
local value, owner, lifetime, when, owners = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local there = redis.call('EXISTS', KEYS[1]) == 1
if there and when == '1' or not there and when == '2' then return 0 end
local before = redis.call('HGET', KEYS[1], 'o')
if before and before ~= owner then redis.call('ZREM', owners .. before, KEYS[1]) end
redis.call('HSET', KEYS[1], 'v', value, 'o', owner)
redis.call('PEXPIRE', KEYS[1], lifetime)
if owner ~= '' then
	local time = redis.call('TIME')
	local now = time[1] * 1000 + math.floor(time[2] / 1000)
	local set = owners .. owner
	redis.call('ZREMRANGEBYSCORE', set, '-inf', now)
	redis.call('ZADD', set, now + lifetime, KEYS[1])
	if redis.call('PTTL', set) < lifetime then redis.call('PEXPIRE', set, lifetime) end
end
return 1`)

	// countScript adds one and returns the count, or -1 if there is an item.
	countScript = redis.NewScript(`
if redis.call('HEXISTS', KEYS[1], 'o') == 1 then return -1 end
local n = redis.call('HINCRBY', KEYS[1], 'v', 1)
if n == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return n`)

	// deleteScript removes an item, also from its owner's.
	deleteScript = redis.NewScript(`
local owner = redis.call('HGET', KEYS[1], 'o')
if owner then redis.call('ZREM', ARGV[1] .. owner, KEYS[1]) end
return redis.call('DEL', KEYS[1])`)

	// deleteOwnerScript removes an owner's items and returns their number.
	deleteOwnerScript = redis.NewScript(`
local n = 0
for _, item in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
	if redis.call('HGET', item, 'o') == ARGV[1] then n = n + redis.call('DEL', item) end
end
redis.call('DEL', KEYS[1])
return n`)

	// ownedScript returns an owner's items that have not expired.
	ownedScript = redis.NewScript(`
local found = {}
for _, item in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
	if redis.call('HGET', item, 'o') == ARGV[1] then table.insert(found, item) end
end
return found`)
)
