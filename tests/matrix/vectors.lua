-- A vector set, in a server that has them; prints whether it has. Run by redis-cli --eval.
redis.call('SELECT', 0)
for i = 1, 3 do
    local answer = redis.pcall('VADD', 'vectors', 'VALUES', 3, i, 1 / i, -i, 'e' .. i)
    if type(answer) == 'table' and answer.err then return 'none' end
end
redis.call('VSETATTR', 'vectors', 'e1', '{"year": 1999}')
return 'vector sets'
