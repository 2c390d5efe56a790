package store

import "github.com/redis/go-redis/v9"

// The scripts run in the server, each as one step that nothing comes between.
// They read the time there, so that the machines' clocks need not agree. They
// name keys that are not among their arguments (an owner's items): a Redis
// cluster, which shares keys out, is not what they are for.
//
// An item is a hash of its value v and its owners o, o2 to o8; o is always there
// and empty without owners. An owner is a sorted set of items by their expiry.

// ownership is what several scripts begin with. Names are without the beginning
// that all owners' names have, which is an argument.
const ownership = `
local function ownersOf(item)
	return redis.call('HMGET', item, 'o', 'o2', 'o3', 'o4', 'o5', 'o6', 'o7', 'o8')
end
local function now()
	local time = redis.call('TIME')
	return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function disown(item, prefix, owners)
	for _, owner in ipairs(owners) do
		if owner and owner ~= '' then redis.call('ZREM', prefix .. owner, item) end
	end
end
local function remove(item, prefix)
	disown(item, prefix, ownersOf(item))
	return redis.call('DEL', item)
end
`

var (
	// getScript returns the value (or nothing) and the milliseconds it has left.
	getScript = redis.NewScript(`
return {redis.call('HGET', KEYS[1], 'v'), redis.call('PTTL', KEYS[1])}`)

	// putScript stores an item: value, milliseconds, condition (0 always, 1 if
	// absent, 2 if present), beginning of the owners' names, owners.
	putScript = redis.NewScript(ownership + `
local value, lifetime, when, prefix = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local there = redis.call('EXISTS', KEYS[1]) == 1
if there and when == '1' or not there and when == '2' then return 0 end
local before = ownersOf(KEYS[1])
-- Adding comes first: a server without memory refuses it as long as nothing was changed.
redis.call('HSET', KEYS[1], 'v', value, 'o', ARGV[5] or '')
if there then
	disown(KEYS[1], prefix, before)
	redis.call('HDEL', KEYS[1], 'o2', 'o3', 'o4', 'o5', 'o6', 'o7', 'o8')
end
for i = 6, #ARGV do redis.call('HSET', KEYS[1], 'o' .. (i - 4), ARGV[i]) end
redis.call('PEXPIRE', KEYS[1], lifetime)
for i = 5, #ARGV do
	local set, time = prefix .. ARGV[i], now()
	redis.call('ZREMRANGEBYSCORE', set, '-inf', time)
	redis.call('ZADD', set, time + lifetime, KEYS[1])
	if redis.call('PTTL', set) < lifetime then redis.call('PEXPIRE', set, lifetime) end
end
return 1`)

	// countScript adds one and returns the count, or -1 if there is an item.
	countScript = redis.NewScript(`
if redis.call('HEXISTS', KEYS[1], 'o') == 1 then return -1 end
local n = redis.call('HINCRBY', KEYS[1], 'v', 1)
if n == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return n`)

	// deleteScript removes items, also from their owners.
	deleteScript = redis.NewScript(ownership + `
for _, item in ipairs(KEYS) do remove(item, ARGV[1]) end
return 0`)

	// deleteOwnerScript removes an owner's items and returns them.
	deleteOwnerScript = redis.NewScript(ownership + `
local items = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now(), '+inf')
local removed = {}
for _, item in ipairs(items) do
	if remove(item, ARGV[1]) == 1 then table.insert(removed, item) end
end
redis.call('DEL', KEYS[1])
return removed`)

	// ownedScript returns the names of an owner's items that have not expired.
	ownedScript = redis.NewScript(ownership + `
return redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now(), '+inf')`)

	// valuesScript returns the values of items that an owner has, each or nothing.
	valuesScript = redis.NewScript(ownership + `
local values = {}
for i, item in ipairs(KEYS) do
	values[i] = false
	for _, owner in ipairs(ownersOf(item)) do
		if owner == ARGV[1] then values[i] = redis.call('HGET', item, 'v') end
	end
end
return values`)
)
