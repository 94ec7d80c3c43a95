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

// dice are what a plan is drawn with.
type dice struct{ *rand.Rand }

func newDice(seed uint64) dice { return dice{rand.New(rand.NewPCG(seed, 0x51_0c_e4))} }

// oneIn is true once in n.
func (d dice) oneIn(n int) bool { return d.IntN(n) == 0 }

func pick[T any](d dice, of ...T) T { return of[d.IntN(len(of))] }

// upTo is a time below limit.
func (d dice) upTo(limit time.Duration) time.Duration { return time.Duration(d.Int64N(int64(limit))) }

// pause is mostly short: what breaks is what comes together.
func (d dice) pause() time.Duration {
	scale := pick(d, 0, time.Millisecond, 10*time.Millisecond, 100*time.Millisecond, time.Second, time.Second, 5*time.Second)
	return time.Duration(d.IntN(12)) * scale
}

// drawPlan is the plan of a seed: bursts of trouble with a quiet after each, until length is reached.
func drawPlan(seed uint64, length time.Duration) plan {
	d := newDice(seed)
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
		p.Deeds = append(p.Deeds, deed{At: at + time.Millisecond, Do: opRevive})
		at += 10*time.Second + d.upTo(time.Minute)
	}
	drawNetworks(newDice(^seed), &p)
	drawProbes(newDice(seed+1<<32), &p)
	drawPool(newDice(seed*2654435761), &p)
	drawRecycles(newDice(seed*40503+7), &p)
	drawPauses(newDice(seed*40503), &p, names)
	return p
}

// drawContainers adds workers and strangers, and returns the names of all whom deeds may hit.
func drawContainers(d dice, p *plan) []string {
	var names []string
	for i := range 1 + d.IntN(6) {
		s := drawWorker(d, fmt.Sprintf("w%d", i))
		p.Containers = append(p.Containers, s)
		names = append(names, s.Name, s.Name) // strangers are hit less often
	}
	for _, s := range guests(d) {
		p.Containers = append(p.Containers, s)
		names = append(names, s.Name)
	}
	for _, s := range strangers(d) {
		if d.oneIn(3) {
			s.Behaviour = dockertest.Behaviour{RunFor: d.upTo(time.Minute), ExitCode: d.IntN(3)}
			p.Containers = append(p.Containers, s)
			names = append(names, s.Name)
		}
	}
	return names
}

// guestsOf is the worker in whose namespaces others live.
const guestsOf = "w0"

// guests are containers that live in those of the first worker: perhaps a worker, perhaps not.
func guests(d dice) []dockertest.Spec {
	var all []dockertest.Spec
	mode := "container:" + guestsOf
	if d.oneIn(4) {
		all = append(all, dockertest.Spec{Name: "tail", NetworkMode: mode, StopTimeout: time.Second})
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

// strangers are containers that are none of this Stoker's business, each for its own reason.
func strangers(d dice) []dockertest.Spec {
	with := func(name string, labels ...string) dockertest.Spec {
		s := dockertest.Spec{Name: name, Labels: map[string]string{"stoker.enable": "true"}}
		for i := 0; i < len(labels); i += 2 {
			s.Labels[labels[i]] = labels[i+1]
		}
		return s
	}
	return []dockertest.Spec{
		{Name: "plain"}, {Name: "policied", RestartPolicy: worker.RestartPolicy{Name: "always"}},
		{Name: "limited", CPUs: 0.5}, with("elsewhere", "stoker.scope", "blue"), with("disabled", "stoker.enable", "false"),
		with("bad", "stoker.on-exit", "sometimes"), with("unknown", "stoker.max-atempts", "3"),
		with("swarm", "com.docker.swarm.task.id", "t1"), with("once", "com.docker.compose.oneoff", pick(d, "True", "true")),
		with(selfName),
	}
}

// selfName is the container in which Stoker itself is thought to be.
const selfName = "stoker"

func drawWorker(d dice, name string) dockertest.Spec {
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

func drawLabels(d dice) map[string]string {
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

// deck is how often each deed comes up.
type deck []struct {
	weight int
	do     what
}

func (k deck) draw(d dice) what {
	sum := 0
	for _, c := range k {
		sum += c.weight
	}
	n := d.IntN(sum)
	for _, c := range k {
		if n -= c.weight; n < 0 {
			return c.do
		}
	}
	panic("unreachable: the weights add up to sum")
}

func everything() deck {
	return deck{
		{6, opStop}, {2, opStopNow}, {5, opKill}, {4, opTerm}, {4, opHup}, {5, opRestart}, {8, opStart}, {4, opRemove}, {2, opStopRm},
		{3, opPause}, {4, opUnpause}, {2, opRename}, {2, opNameBack}, {2, opUpdate}, {4, opRun}, {2, opReplace}, {2, opReplace2},
		{8, doCrash}, {4, doKilled}, {6, doExit}, {3, doOOM}, {6, doSicken}, {5, doHang}, {2, doHangAll}, {3, doRecover},
		{6, doLoop}, {3, doBehave}, {5, failNext}, {2, breakIt}, {1, mendIt}, {2, takePort}, {1, freePort},
		{3, engRefuse}, {4, engDone}, {4, engUndone}, {4, engSlow}, {3, engSlowInspect}, {2, engSlowList}, {2, engDrop},
		{4, engDelay}, {3, engCut}, {2, engRestart}, {2, engCrash}, {2, hostReboot}, {1, hostCrash}, {1, clockStep},
		{4, stokerKilled}, {6, stokerFuse}, {3, stokerEnded}, {1, stokerAmnesia},
	}
}

// theme is a deck with fewer cards, so that the few meet more often.
func theme(d dice) deck {
	all := everything()
	d.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:3+d.IntN(8)]
}

// drawBurst adds some deeds and returns when they are over.
func drawBurst(d dice, p *plan, names []string, at time.Duration) time.Duration {
	cards := everything()
	if d.oneIn(2) {
		cards = theme(d)
	}
	one := pick(d, names...)
	end := at
	for range 3 + d.IntN(22) {
		key := one
		if d.oneIn(2) {
			key = pick(d, names...)
		}
		deed := drawDeed(d, cards.draw(d), key)
		deed.At = at
		p.Deeds = append(p.Deeds, deed)
		at += d.pause()
		end = max(end, at, deed.At+min(deed.For, 20*time.Second))
	}
	slices.SortStableFunc(p.Deeds, func(a, b deed) int { return int(a.At - b.At) })
	return end + time.Second
}

func drawDeed(d dice, do what, key string) deed {
	e := deed{Do: do, Key: key}
	switch do {
	case doExit:
		e.N = pick(d, 0, 0, 1, 137, 143)
	case doLoop:
		e.For, e.N = pick(d, time.Millisecond, 100*time.Millisecond, time.Second, 10*time.Second)+d.upTo(2*time.Second), pick(d, 0, 1, 1)
	case failNext, engRefuse, engDone, engUndone, engDuplicate:
		e.N = 1 + d.IntN(2)
	case engDrop:
		e.N = 1 + d.IntN(4)
	case engSlow: // shorter than any deadline: what arrives after Stoker gave it up is nobody's any more
		e.N, e.For = 1+d.IntN(2), pick(d, 10*time.Millisecond, time.Second, 10*time.Second)+d.upTo(time.Second)
	case engDelay:
		e.N, e.For = 1+d.IntN(2), pick(d, 10*time.Millisecond, time.Second, 5*time.Second)+d.upTo(time.Second)
	case engSlowInspect, engSlowList:
		e.N, e.For = 1+d.IntN(2), pick(d, 10*time.Millisecond, time.Second, 10*time.Second, 45*time.Second)+d.upTo(time.Second)
	case engRestart, engCrash, hostReboot, hostCrash:
		e.N = d.IntN(2)
		e.For = pick(d, 10*time.Millisecond, time.Second, 20*time.Second)
	case clockStep:
		e.For = pick(d, -time.Hour, -time.Hour, time.Hour, -time.Second)
	case stokerKilled, stokerEnded, stokerAmnesia:
		e.For = pick(d, time.Millisecond, time.Second, 20*time.Second)
	case stokerFuse:
		e.For, e.N = pick(d, time.Millisecond, time.Second, 20*time.Second), 1+d.IntN(12)
	}
	return e
}
