-- One line for each key of every database, in order: database, type, name, when it expires, digest of
-- its value, in words that every version of Redis and Valkey shares. Run by redis-cli --eval.

-- tables of tables as text, so that nothing can be taken for something else
local function plain(value)
    if type(value) ~= 'table' then return type(value) .. ':' .. tostring(value) end
    local parts = {}
    for i, each in ipairs(value) do parts[i] = plain(each) end
    return '[' .. table.concat(parts, ',') .. ']'
end

-- a map as RESP2 has it: names and values by turns; of it, what the names say
local function pick(map, names)
    local found = {}
    for i = 1, #map, 2 do found[map[i]] = map[i + 1] end
    local parts = {}
    for i, name in ipairs(names) do parts[i] = name .. '=' .. plain(found[name]) end
    return table.concat(parts, ' '), found
end

local function sorted_pairs(flat)
    local parts = {}
    for i = 1, #flat, 2 do parts[#parts + 1] = plain({flat[i], flat[i + 1]}) end
    table.sort(parts)
    return table.concat(parts)
end

local function fields_expire(key)
    local names = redis.call('HKEYS', key)
    table.sort(names)
    local parts = {}
    for i, name in ipairs(names) do
        local at = redis.pcall('HPEXPIRETIME', key, 'FIELDS', 1, name)
        parts[i] = at.err and '-1' or tostring(at[1])
    end
    return table.concat(parts, ',')
end

local function stream(key)
    local text, found = pick(redis.call('XINFO', 'STREAM', key, 'FULL', 'COUNT', 0),
        {'length', 'last-generated-id', 'max-deleted-entry-id', 'entries-added',
         'recorded-first-entry-id'})
    local parts = {text, tostring(found['iids-tracked'] or 0),
                   plain(redis.call('XRANGE', key, '-', '+'))}
    for _, group in ipairs(found['groups']) do
        local words, of = pick(group, {'name', 'last-delivered-id', 'entries-read', 'pel-count'})
        parts[#parts + 1] = words
        for _, entry in ipairs(of['pending']) do -- with when it was delivered, and how often
            parts[#parts + 1] = plain(entry)
        end
        for _, consumer in ipairs(of['consumers']) do
            parts[#parts + 1] = pick(consumer, {'name', 'pel-count'})
        end
    end
    return table.concat(parts, '\n')
end

local read = {
    string = function(key) return redis.call('GET', key) end,
    list = function(key) return plain(redis.call('LRANGE', key, 0, -1)) end,
    set = function(key)
        local members = redis.call('SMEMBERS', key)
        table.sort(members)
        return plain(members)
    end,
    zset = function(key)
        local all = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
        for i = 2, #all, 2 do -- not all write a number in the same way
            all[i] = string.format('%.17g', tonumber(all[i]))
        end
        return plain(all)
    end,
    hash = function(key) return sorted_pairs(redis.call('HGETALL', key)) .. fields_expire(key) end,
    stream = stream,
    vectorset = function(key)
        local names = redis.call('VRANDMEMBER', key, redis.call('VCARD', key))
        table.sort(names)
        local parts = {}
        for i, name in ipairs(names) do
            parts[i] = plain({name, redis.call('VEMB', key, name),
                              redis.call('VGETATTR', key, name)})
        end
        return table.concat(parts)
    end,
}

local lines = {}
for db = 0, 15 do
    redis.call('SELECT', db)
    local keys = redis.call('KEYS', '*')
    table.sort(keys)
    for _, key in ipairs(keys) do
        local kind = redis.call('TYPE', key)['ok']
        lines[#lines + 1] = string.format('%d %s %s %s %s', db, kind,
            string.gsub(key, '[^%w:]', function(c) return string.format('%%%02x', string.byte(c)) end),
            tostring(redis.call('PEXPIRETIME', key)), redis.sha1hex(read[kind](key)))
    end
end
redis.call('SELECT', 0)
return lines
