package simulation

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"

	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// random is the random source of a plan.
type random struct{ *rand.Rand }

func newRandom(seed uint64) random { return random{rand.New(rand.NewPCG(seed, 0x51_0c_e4))} }

// oneIn returns true once in n times on average.
func (d random) oneIn(n int) bool { return d.IntN(n) == 0 }

// pick returns one of the values.
func pick[T any](d random, of ...T) T { return of[d.IntN(len(of))] }

// upTo returns a duration below limit.
func (d random) upTo(limit time.Duration) time.Duration { return time.Duration(d.Int64N(int64(limit))) }

// pause returns the time between two faults. It is mostly short, for most bugs need faults that coincide.
func (d random) pause() time.Duration {
	scale := pick(d, 0, time.Millisecond, 10*time.Millisecond, 100*time.Millisecond, time.Second, time.Second, 5*time.Second)
	return time.Duration(d.IntN(12)) * scale
}

// drawPlan returns the plan of a seed: bursts of faults, each followed by a quiet period, until length is reached.
func drawPlan(seed uint64, length time.Duration) plan {
	d := newRandom(seed)
	p := plan{Seed: seed, Mode: policy.ModeLabel, Parallel: pick(d, 1, 2, 2, 4), DryRun: d.oneIn(25)}
	if d.oneIn(8) {
		p.Mode = pick(d, policy.ModeQuota, policy.ModeAll)
	}
	names := drawContainers(d, &p)
	at := 5 * time.Second
	for at < length {
		at = drawBurst(d, &p, names, at)
		p.Quiets = append(p.Quiets, quiet{From: at, To: at + quietFor})
		at += quietFor
		p.Faults = append(p.Faults, fault{At: at + time.Millisecond, Kind: opStartAll})
		at += 10*time.Second + d.upTo(time.Minute)
	}
	drawNetworks(newRandom(^seed), &p)
	drawProbes(newRandom(seed+1<<32), &p)
	drawPool(newRandom(seed*2654435761), &p)
	drawRecycles(newRandom(seed*40503+7), &p)
	drawPauses(newRandom(seed*40503), &p, names)
	return p
}

// drawContainers adds workers, dependents and unmanaged containers. It returns the names from which faults draw their container.
func drawContainers(d random, p *plan) []string {
	var names []string
	for i := range 1 + d.IntN(6) {
		s := drawWorker(d, fmt.Sprintf("w%d", i))
		p.Containers = append(p.Containers, s)
		names = append(names, s.Name, s.Name) // twice, for the others have faults less often
	}
	for _, s := range drawDependents(d) {
		p.Containers = append(p.Containers, s)
		names = append(names, s.Name)
	}
	for _, s := range drawUnmanaged(d) {
		if d.oneIn(3) {
			s.Behaviour = dockertest.Behaviour{RunFor: d.upTo(time.Minute), ExitCode: d.IntN(3)}
			p.Containers = append(p.Containers, s)
			names = append(names, s.Name)
		}
	}
	return names
}

// parentName is the name of the worker whose namespaces the dependents share.
const parentName = "w0"

// drawDependents returns dependents of the first worker: an unmanaged container, a worker, both or none.
func drawDependents(d random) []dockertest.Spec {
	var all []dockertest.Spec
	mode := "container:" + parentName
	if d.oneIn(4) {
		all = append(all, dockertest.Spec{Name: "tail", Namespaces: dockertest.Namespaces{NetworkMode: mode}, EndRules: worker.EndRules{StopTimeout: time.Second}})
	}
	if d.oneIn(4) {
		s := drawWorker(d, "g0")
		s.NetworkMode = pick(d, mode, "")
		s.PidMode = pick(d, mode, "")
		s.HostPort = 0
		all = append(all, s)
	}
	return all
}

// drawUnmanaged returns containers that Stoker does not manage, each for another reason.
func drawUnmanaged(d random) []dockertest.Spec {
	with := func(name string, labels ...string) dockertest.Spec {
		s := dockertest.Spec{Name: name, Labels: map[string]string{"stoker.enable": "true"}}
		for i := 0; i < len(labels); i += 2 {
			s.Labels[labels[i]] = labels[i+1]
		}
		return s
	}
	return []dockertest.Spec{
		{Name: "plain"}, {Name: "policied", EndRules: worker.EndRules{RestartPolicy: worker.RestartPolicy{Name: "always"}}},
		{Name: "limited", CPUs: 0.5}, with("elsewhere", "stoker.scope", "blue"), with("disabled", "stoker.enable", "false"),
		with("bad", "stoker.on-exit", "sometimes"), with("unknown", "stoker.max-atempts", "3"),
		with("swarm", "com.docker.swarm.task.id", "t1"), with("once", "com.docker.compose.oneoff", pick(d, "True", "true")),
		with(selfName),
	}
}

// selfName is the name of the container that Stoker takes for its own.
const selfName = "stoker"

func drawWorker(d random, name string) dockertest.Spec {
	s := dockertest.Spec{Name: name, Labels: drawLabels(d), CPUs: pick(d, 0, 0.5, 0.5, 2)}
	s.StopTimeout = pick(d, 0, 0, time.Second, 3*time.Second, 20*time.Second)
	s.StopSignal = pick(d, 0, 0, 0, syscall.SIGQUIT, syscall.SIGUSR1)
	s.RestartPolicy.Name = pick(d, "no", "no", "no", "no", "always", "unless-stopped", "on-failure")
	if s.RestartPolicy.Name == "on-failure" {
		s.RestartPolicy.MaxRetries = d.IntN(3)
	}
	if !d.oneIn(3) {
		s.Health = &dockertest.Healthcheck{
			Interval: pick(d, 2*time.Second, 5*time.Second, 10*time.Second), Timeout: pick(d, time.Second, 3*time.Second),
			Retries: 1 + d.IntN(3), StartPeriod: pick(d, 0, 0, 10*time.Second),
		}
	}
	if d.oneIn(4) {
		s.HostPort = 8000 + d.IntN(2)*1000 + len(name) + int(name[1])
	}
	s.AutoRemove = d.oneIn(10) && s.RestartPolicy.Name == "no" // the engine refuses the two together
	if d.oneIn(12) {
		s.Unfit = "it has a network that is gone"
	}
	s.Behaviour = dockertest.Behaviour{
		IgnoreTerm: d.oneIn(4), TermDelay: pick(d, 0, 0, 50*time.Millisecond, 2*time.Second), TermExit: pick(d, 0, 0, 143, 1),
	}
	return s
}

func drawLabels(d random) map[string]string {
	l := map[string]string{"stoker.enable": "true"}
	some := func(key string, values ...string) {
		if v := pick(d, values...); v != "" {
			l["stoker."+key] = v
		}
	}
	some("on-exit", "", "", "", "always", "failure", "never")
	some("on-unhealthy", "", "", "", "restart", "recreate", "ignore")
	some("unhealthy-for", "", "", "5s", "20s")
	some("stop-timeout", "", "", "0s", "2s", "15s")
	some("max-attempts", "", "", "", "1", "3", "5")
	some("backoff-initial", "", "100ms", "1s")
	some("backoff-max", "5s", "10s", "20s")
	some("stable-after", "", "10s", "30s")
	some("recreate-after", "", "", "0", "1", "1", "2")
	some("on-missing", "", "", "recreate")
	some("dependents", "", "", "", "", "none")
	if l["stoker.max-attempts"] != "" && d.oneIn(3) {
		l["stoker.when-exhausted"], l["stoker.retry-every"] = "retry", "20s"
	}
	some("evidence", "", "", "off", "logs")
	some("before-stop", "", "", "", "", dockertest.CommandDrains, dockertest.CommandHangs, dockertest.CommandEnds)
	if l["stoker.before-stop"] != "" {
		some("before-stop-timeout", "", "1s", "4s")
	}
	return l
}

// weights has how often each kind of fault is drawn.
type weights []struct {
	weight int
	kind   faultKind
}

func (w weights) draw(d random) faultKind {
	sum := 0
	for _, one := range w {
		sum += one.weight
	}
	n := d.IntN(sum)
	for _, one := range w {
		if n -= one.weight; n < 0 {
			return one.kind
		}
	}
	panic("unreachable: the weights add up to sum")
}

func allKinds() weights {
	return weights{
		{6, opStop}, {2, opStopNow}, {5, opKill}, {4, opTerm}, {4, opHup}, {5, opRestart}, {8, opStart}, {4, opRemove}, {2, opStopRm},
		{3, opPause}, {4, opUnpause}, {2, opRename}, {2, opRenameBack}, {2, opUpdate}, {4, opRun}, {2, opReplace}, {2, opReplace2},
		{8, workerCrash}, {4, workerKilled}, {6, workerExit}, {3, workerOOM}, {6, probeFails}, {5, probeHangs}, {2, allProbesHang}, {3, probeRecovers},
		{6, workerLoop}, {3, workerRecovers}, {5, startsFail}, {2, mountGone}, {1, mountBack}, {2, portTaken}, {1, portFree},
		{3, engRefuse}, {4, engTimeoutDone}, {4, engTimeoutUndone}, {4, engSlow}, {3, engSlowInspect}, {2, engSlowList}, {2, engDrop},
		{4, engDelay}, {3, engCut}, {2, engRestart}, {2, engCrash}, {2, hostReboot}, {1, hostCrash}, {1, clockStep},
		{4, stokerKilled}, {6, stokerKilledLater}, {3, stokerStopped}, {1, journalLost},
	}
}

// fewKinds returns the weights of some kinds only, so that these coincide more often.
func fewKinds(d random) weights {
	all := allKinds()
	d.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:3+d.IntN(8)]
}

// drawBurst adds some faults and returns when they are over.
func drawBurst(d random, p *plan, names []string, at time.Duration) time.Duration {
	kinds := allKinds()
	if d.oneIn(2) {
		kinds = fewKinds(d)
	}
	one := pick(d, names...)
	end := at
	for range 3 + d.IntN(22) {
		key := one
		if d.oneIn(2) {
			key = pick(d, names...)
		}
		f := drawFault(d, kinds.draw(d), key)
		f.At = at
		p.Faults = append(p.Faults, f)
		at += d.pause()
		end = max(end, at, f.At+min(f.For, 20*time.Second))
	}
	slices.SortStableFunc(p.Faults, func(a, b fault) int { return int(a.At - b.At) })
	return end + time.Second
}

func drawFault(d random, kind faultKind, key string) fault {
	f := fault{Kind: kind, Key: key}
	switch kind {
	case workerExit:
		f.N = pick(d, 0, 0, 1, 137, 143)
	case workerLoop:
		f.For, f.N = pick(d, time.Millisecond, 100*time.Millisecond, time.Second, 10*time.Second)+d.upTo(2*time.Second), pick(d, 0, 1, 1)
	case startsFail, engRefuse, engTimeoutDone, engTimeoutUndone, engDuplicate:
		f.N = 1 + d.IntN(2)
	case engDrop:
		f.N = 1 + d.IntN(4)
	case engSlow: // shorter than any deadline: Stoker ignores an answer that comes after the deadline
		f.N, f.For = 1+d.IntN(2), pick(d, 10*time.Millisecond, time.Second, 10*time.Second)+d.upTo(time.Second)
	case engDelay:
		f.N, f.For = 1+d.IntN(2), pick(d, 10*time.Millisecond, time.Second, 5*time.Second)+d.upTo(time.Second)
	case engSlowInspect, engSlowList:
		f.N, f.For = 1+d.IntN(2), pick(d, 10*time.Millisecond, time.Second, 10*time.Second, 45*time.Second)+d.upTo(time.Second)
	case engRestart, engCrash, hostReboot, hostCrash:
		f.N = d.IntN(2)
		f.For = pick(d, 10*time.Millisecond, time.Second, 20*time.Second)
	case clockStep:
		f.For = pick(d, -time.Hour, -time.Hour, time.Hour, -time.Second)
	case stokerKilled, stokerStopped, journalLost:
		f.For = pick(d, time.Millisecond, time.Second, 20*time.Second)
	case stokerKilledLater:
		f.For, f.N = pick(d, time.Millisecond, time.Second, 20*time.Second), 1+d.IntN(12)
	}
	return f
}
