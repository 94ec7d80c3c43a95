package redis

import "github.com/gomodule/redigo/redis"

// The keys of a list of tasks named q:
//
//	q                 list: tasks; producers push at the right, workers take at the left
//	q.processing.W    list: the current task of worker W
//	q.workers         sorted set: each worker, and when its lease ends, in ms of the server's clock
//	q.results         hash: result by ID
//	q.duplicates      hash: results of an ID after the first, counted; they are not stored
//
// Each script is atomic. A worker has a task only while it is in q.workers: both begin in the same step. The entry is dropped a while after
// the end of the lease, when its tasks have been returned.

// common needs KEYS[1] as q and KEYS[2] as q.workers.
const common = `
local tasks, workers = KEYS[1], KEYS[2]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function held(worker) return tasks .. '.processing.' .. worker end

local function lease(worker, ms)
  redis.call('ZADD', workers, string.format('%d', now + ms), worker)
end

local function giveBack(worker)
  while redis.call('LMOVE', held(worker), tasks, 'RIGHT', 'LEFT') do end
end
`

// scripts are the scripts that a consumer runs at the server.
type scripts struct {
	take, hold, finish, leave *redis.Script
}

func newScripts() scripts {
	return scripts{
		// ARGV: worker, lease in ms, ms that an entry stays after its lease. Returns the task, or nil.
		// A task in the worker's own list at this point is from a reply that was lost.
		take: redis.NewScript(2, common+`
local me = ARGV[1]
giveBack(me)
lease(me, tonumber(ARGV[2]))
for _, dead in ipairs(redis.call('ZRANGEBYSCORE', workers, '-inf', string.format('%d', now))) do giveBack(dead) end
redis.call('ZREMRANGEBYSCORE', workers, '-inf', string.format('%d', now - tonumber(ARGV[3])))
return redis.call('LMOVE', tasks, held(me), 'LEFT', 'RIGHT')
`),
		// ARGV: worker, lease in ms.
		hold: redis.NewScript(2, common+`lease(ARGV[1], tonumber(ARGV[2]))`),
		// KEYS[3]: results, KEYS[4]: duplicates. ARGV: worker, task, ID, result.
		// An identical result was stored by this call before, and the reply was lost: no two attempts write the same.
		finish: redis.NewScript(4, common+`
if redis.call('LREM', held(ARGV[1]), 1, ARGV[2]) == 0 then
  if redis.call('HGET', KEYS[3], ARGV[3]) == ARGV[4] then return 'stored' end
  return 'taken away'
end
if redis.call('HSETNX', KEYS[3], ARGV[3], ARGV[4]) == 1 then return 'stored' end
redis.call('HINCRBY', KEYS[4], ARGV[3], 1)
return 'duplicate'
`),
		// ARGV: worker. The entry stays for a while, as after a death.
		leave: redis.NewScript(2, common+`
giveBack(ARGV[1])
lease(ARGV[1], 0)
`),
	}
}
