-- What not every server knows, as far as this one does; prints what that was. Beside dataset.lua, of
-- which every server knows all. Run by redis-cli --eval.

local far = 4102444800000 -- the year 2100, in ms
local known = {}

local function try(name, ...)
    local answer = redis.pcall(...)
    if type(answer) == 'table' and answer.err then return end
    known[#known + 1] = name
end

redis.call('SELECT', 0)

-- times of single fields, in a small hash and in a large one
redis.call('HSET', 'new:hash', 'stays', '1', 'goes', '2', 'goes later', '3')
try('fields that expire', 'HPEXPIREAT', 'new:hash', far, 'FIELDS', 1, 'goes')
redis.pcall('HPEXPIREAT', 'new:hash', far + 7, 'FIELDS', 1, 'goes later')
for i = 1, 700 do redis.call('HSET', 'new:hash:big', 'f' .. i, 'v' .. i) end
for i = 1, 300 do redis.pcall('HPEXPIREAT', 'new:hash:big', far + i, 'FIELDS', 1, 'f' .. i) end

-- streams that remember for a day who has sent what
redis.call('XADD', 'new:stream', '*', 'f', 'v')
redis.pcall('XCFGSET', 'new:stream', 'IDMP-DURATION', 86400)
for i = 1, 5 do redis.pcall('XADD', 'new:stream', 'IDMP', 'producer', 'p' .. i, '*', 'f', 'v') end
try('streams with producers', 'XADD', 'new:stream', 'IDMP', 'producer', 'p5', '*', 'f', 'v')
return known
