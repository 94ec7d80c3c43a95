package worker_test

import "testing"

func TestBoost(t *testing.T) {
	run(t, []scenario{
		{"raised, and restored when healthy", `
			given health cpus=0.1 on-starved=boost
			up
			unhealthy timed-out
			> sample
			reads 0.1 1 1
			> update 0.1 0.2
			answer running timed-out cpus 0.2
			= event quota
			+10s
			> nothing
			healthy
			> update 0.2 0.1
			answer running healthy cpus 0.1
			= free
			+1h
			> nothing`},
		{"restored before the heal, when the grace is over", `
			given health cpus=0.1 on-starved=boost starved-grace=30s
			up
			unhealthy timed-out
			> sample
			reads 0.1 1 1
			> update 0.1 0.2
			answer running timed-out cpus 0.2
			+30s
			> update 0.2 0.1
			answer running timed-out cpus 0.1
			> stop 1`},
		{"restored after Stoker was killed", `
			given health cpus=0.1 on-starved=boost
			up
			unhealthy timed-out
			> sample
			reads 0.1 1 1
			> update 0.1 0.2
			answer running timed-out cpus 0.2
			stoker-killed
			up running healthy
			> update 0.2 0.1
			answer running healthy cpus 0.1
			= free`},
		{"Stoker was killed before it could raise it", `
			given health cpus=0.1 on-starved=boost
			up
			unhealthy timed-out
			> sample
			reads 0.1 1 1
			> update 0.1 0.2
			stoker-killed
			up running healthy
			+1h
			> nothing
			= free`},
		{"it died: started first, restored then", `
			given health cpus=0.1 on-starved=boost
			up
			unhealthy timed-out
			> sample
			reads 0.1 1 1
			> update 0.1 0.2
			answer running timed-out cpus 0.2
			die 1
			> start 1
			answer running new starting
			> update 0.2 0.1`},
		{"another client set the quota meanwhile", `
			given health cpus=0.1 on-starved=boost
			up
			unhealthy timed-out
			> sample
			reads 0.1 1 1
			> update 0.1 0.2
			answer running timed-out cpus 0.2
			update cpus 0.7
			healthy
			+1h
			> nothing`},
		{"never above the host", `
			given health cpus=1.5 on-starved=boost boost-cpus=8 host=2
			up
			unhealthy timed-out
			> sample
			reads 1.5 1 1
			> update 1.5 2`},
		{"no room above the quota", `
			given health cpus=2 on-starved=boost host=2
			up
			unhealthy timed-out
			> sample
			reads 2 1 1
			+1m
			> nothing`},
		{"devices", `
			given health cpus=0.1 on-starved=boost devices
			up
			unhealthy timed-out
			> sample
			reads 0.1 1 1
			+1m
			> nothing`},
		{"cannot be restored: retried, reported once", `
			given health cpus=0.1 on-starved=boost
			up
			unhealthy timed-out
			> sample
			reads 0.1 1 1
			> update 0.1 0.2
			answer running timed-out cpus 0.2
			healthy
			> update 0.2 0.1
			answer failed no
			= event quota-failed
			+1s
			> update 0.2 0.1
			answer failed no
			= no-event quota-failed
			+2s
			> update 0.2 0.1`},
		{"recreated with its own quota", `
			given health cpus=0.1 on-starved=boost on-unhealthy=recreate starved-grace=30s
			up
			unhealthy timed-out
			> sample
			reads 0.1 1 1
			> update 0.1 0.2
			answer running timed-out cpus 0.2
			+30s
			> update 0.2 0.1
			answer running timed-out cpus 0.1
			> recreate 1`},
	})
}

func TestQuotaKept(t *testing.T) {
	run(t, []scenario{
		{"given to one that has none", `
			given quota=0.5
			up
			> update 0 0.5
			answer running cpus 0.5
			= event quota
			+1h
			> nothing`},
		{"restored when it drifts", `
			given quota=0.5 cpus=0.5
			up
			> nothing
			update cpus 1
			> update 1 0.5`},
		{"a default is for those who have none", `
			given where-none=0.25 cpus=0.5
			up
			+1h
			> nothing`},
		{"apply", `
			given where-none=0.25
			up
			> update 0 0.25
			answer running cpus 0.25
			= free`},
		{"a dead worker's start comes first", `
			given quota=0.5 cpus=0.5
			up
			mute update
			late die 1
			answer down 1 cpus 1
			> start 1
			answer running new cpus 1
			> update 1 0.5`},
		{"not while an operator holds it down", `
			given quota=0.5 cpus=0.5
			up
			kill TERM
			die 143
			+1h
			> nothing`},
	})
}
