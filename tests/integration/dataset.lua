-- Every type of value and each way in which Redis keeps it, in several databases. The same keys and
-- values every time. Run by redis-cli --eval; KEYS: none; ARGV: how many plain strings.

local far = 4102444800000 -- the year 2100, in ms

local function many(n, each)
    for i = 1, n do each(i) end
end

redis.call('SELECT', 0)
many(tonumber(ARGV[1] or '2000'), function(i)
    redis.call('SET', 'string:' .. i, string.rep('v' .. i, i % 40))
end)

-- strings: numbers, every byte, LZF's friends and foes
redis.call('SET', 'number', 12345678901234)
redis.call('SET', 'negative', -7)
local bytes = {}
for i = 0, 255 do bytes[#bytes + 1] = string.char(i) end
redis.call('SET', 'bytes', table.concat(bytes))
redis.call('SET', table.concat(bytes), 'a name of every byte')
redis.call('SET', 'empty', '')
redis.call('SET', 'long', string.rep('0123456789abcdef', 20000))
redis.call('APPEND', 'appended', 'ab')
redis.call('APPEND', 'appended', 'cd')

-- bitmaps, HyperLogLog (sparse and dense), positions
redis.call('SETBIT', 'bitmap', 100003, 1)
redis.call('BITFIELD', 'bitfield', 'SET', 'u8', '#3', 200, 'INCRBY', 'i16', 100, 77)
redis.call('PFADD', 'hll:sparse', 'a', 'b', 'c')
many(3000, function(i) redis.call('PFADD', 'hll:dense', 'visitor' .. i) end)
redis.call('GEOADD', 'places', 13.361389, 38.115556, 'Palermo', 15.087269, 37.502669, 'Catania')

-- lists: one node, many nodes, long elements
redis.call('RPUSH', 'list:small', 'a', '2', string.char(0, 255))
many(2000, function(i) redis.call('RPUSH', 'list:big', 'element ' .. i) end)
redis.call('RPUSH', 'list:plain', string.rep('x', 20000), 'y')

-- sets: integers, hash table
redis.call('SADD', 'set:integers', 1, 2, 300000, -4, 9007199254740993)
redis.call('SADD', 'set:words', 'one', 'two', string.char(0))
many(1500, function(i) redis.call('SADD', 'set:big', 'member' .. i) end)

-- hashes and sorted sets: packed, and not
redis.call('HSET', 'hash:small', 'field', 'value', 'n', '1', 'empty', '')
many(1000, function(i) redis.call('HSET', 'hash:big', 'f' .. i, 'v' .. i) end)
redis.call('HSET', 'hash:long', 'f', string.rep('z', 5000))
redis.call('ZADD', 'zset:small', 1, 'a', '-inf', 'least', 'inf', 'most', '3.141592653589793', 'pi')
many(1000, function(i) redis.call('ZADD', 'zset:big', i / 7, 'm' .. i) end)

-- streams: trimmed, with deleted entries, groups, consumers and what they have not acknowledged
many(500, function(i) redis.call('XADD', 'stream', i .. '-1', 'field', 'value ' .. i, 'n', i) end)
redis.call('XDEL', 'stream', '7-1', '8-1')
redis.call('XTRIM', 'stream', 'MAXLEN', 400)
redis.call('XGROUP', 'CREATE', 'stream', 'workers', '0')
redis.call('XGROUP', 'CREATE', 'stream', 'idle', '$')
redis.call('XREADGROUP', 'GROUP', 'workers', 'anna', 'COUNT', 20, 'STREAMS', 'stream', '>')
redis.call('XREADGROUP', 'GROUP', 'workers', 'ben', 'COUNT', 15, 'STREAMS', 'stream', '>')
redis.call('XACK', 'stream', 'workers', '103-1')
redis.call('XGROUP', 'CREATE', 'stream:empty', 'nobody', '$', 'MKSTREAM')

-- keys that expire, each by another way
redis.call('PEXPIREAT', 'string:1', far)
redis.call('SET', 'expires', 'late', 'PXAT', far + 1)
redis.call('EXPIREAT', 'hash:small', far / 1000)
redis.call('PEXPIREAT', 'stream:empty', far + 3)

redis.call('SELECT', 3)
many(300, function(i) redis.call('SET', 'key:' .. i, i, 'PXAT', far + i) end)
redis.call('SELECT', 15)
redis.call('SET', 'last', 'database')
redis.call('SELECT', 0)
return 'filled'
