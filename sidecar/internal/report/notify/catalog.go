package notify

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"stoker/sidecar/internal/core/worker"
)

// The names in STOKER_NOTIFY_ON that differ from the kind of event, or that are used here. All other kinds are called by their
// own name.
const (
	eventAll                = "all"
	eventNone               = "none"
	eventGaveUp             = "gave-up"
	eventRecreate           = "recreate"
	eventRefused            = "refused"
	eventUnhealthy          = "unhealthy"
	eventStopped            = "stopped"
	eventEngineDisconnected = "engine-disconnected"
	eventEngineConnected    = "engine-connected"
	eventHostOverloaded     = "host-overloaded"
	eventHostRecovered      = "host-recovered"
	eventDemandLost         = "demand-lost"
	eventDemandBack         = "demand-back"
)

// Defaults returns what is reported by default: what a person may have to look at, and not each restart.
func Defaults() []string {
	return []string{eventGaveUp, eventRecreate, eventRefused, eventUnhealthy, eventStopped, eventEngineDisconnected, eventHostOverloaded, eventDemandLost}
}

// row is how a kind of event is reported.
type row struct {
	kind  string // of the event
	event string // its name in STOKER_NOTIFY_ON
	// one and many follow the name of a worker, or a number of workers. Where there is no worker, one is the sentence.
	one, many string
	meaning   string // for the documentation
}

// rows are all kinds of events, and the kinds that are derived from them. A kind without a row is reported by all only.
func rows() []row {
	return []row{
		{"exhausted", eventGaveUp, "reached its retry limit", "reached their retry limit", "a worker reached its retry limit"},
		{kindRecreated, eventRecreate, "was recreated", "were recreated", "a worker was recreated, or could not be"},
		{kindNotRecreated, eventRecreate, "could not be recreated", "could not be recreated", ""},
		{"refused", eventRefused, "cannot be recreated unchanged", "cannot be recreated unchanged",
			"a recreate would lose something: Stoker restarts the worker instead"},
		{"unhealthy", eventUnhealthy, "is unhealthy, and is left so", "are unhealthy, and are left so", "a worker with `stoker.on-unhealthy: notify` is unhealthy"},
		{"stopped", eventStopped, "was unhealthy, and was stopped", "were unhealthy, and were stopped", "a worker with `stoker.on-unhealthy: stop` was unhealthy; somebody has to start it. Or a task of a Swarm service was killed (`stoker.swarm: kill`); Swarm replaces it"},
		{"engine-disconnected", eventEngineDisconnected, "Docker connection lost, reconnecting", "", "the connection to Docker is lost"},
		{"engine-connected", eventEngineConnected, "Docker connection is back", "", "it is back; also reported after `engine-disconnected` was"},
		{"host-overloaded", eventHostOverloaded, "the host is overloaded: restarts of running workers wait", "",
			"most workers fail together, or the host is out of CPU: restarts of running ones wait"},
		{"host-recovered", eventHostRecovered, "the host has recovered", "", "that is over; also reported after `host-overloaded` was"},
		{"problem", "problem", "has wrong labels and is held: fix them", "have wrong labels and are held: fix them", "labels are wrong, the worker is held"},
		{"unprobed", "unprobed", "cannot be probed from outside", "cannot be probed from outside", "a probe from outside cannot be made, and the worker counts as one without it"},
		{"fault", "fault", "needs healing", "need healing", "something is wrong with a worker, and a heal was decided on"},
		{kindRecycled, "fault", "is restarted, and nothing is wrong with it", "are restarted, and nothing is wrong with them", ""},
		{"heal-failed", "heal-failed", "had a failed heal", "had a failed heal", "one attempt failed"},
		{"healed", "healed", "is back", "are back", "a worker is back"},
		{"recovered", "recovered", "is back without Stoker", "are back without Stoker", "a worker runs again without Stoker"},
		{"stable", "stable", "is stable", "are stable", "the attempts are counted from 0 again"},
		{"held", "held", "is held", "are held", "a worker is not healed, on purpose"},
		{"hung", "hung", "hangs", "hang", "the probe timed out with an idle CPU"},
		{"out-of-memory", "out-of-memory", "had a process killed for want of memory, and goes on", "had a process killed for want of memory, and go on",
			"the kernel killed a process in a worker, and the worker goes on"},
		{"grace-too-short", "grace-too-short", "was killed at the end of its grace, for its quota throttled it", "were killed at the end of their grace, for their quotas throttled them",
			"the quota throttled a worker so that it could not end within `stoker.stop-timeout`"},
		{"stats-unavailable", "stats-unavailable", "was judged without CPU stats", "were judged without CPU stats", "decided without CPU stats"},
		{"quota", "quota", "was given its CPU quota", "were given their CPU quota", "a CPU quota was set"},
		{"quota-failed", "quota-failed", "could not be given its CPU quota", "could not be given their CPU quota", "it could not be"},
		{"network-lost", "network-lost", "runs without a network that it had", "run without networks that they had", "a failed start has removed a network from a worker, which runs without it; Stoker tries to connect it again"},
		{"network-restored", "network-restored", "has its networks again", "have their networks again", "it was connected again"},
		{"dependents-restarted", "dependents-restarted", "had its dependents restarted", "had their dependents restarted", "containers in a worker's namespaces were restarted with it"},
		{"demand-lost", eventDemandLost, "a source of work cannot be read: no worker is put to sleep or woken for it", "", "a source of work failed three times; its groups stay as they are, or go by `stoker.demand-fallback`"},
		{"demand-back", eventDemandBack, "a source of work can be read again", "", "that is over; also reported after `demand-lost` was"},
		{"demand-limited", "demand-limited", "there is more work than workers that may run", "", "a group has more work than `stoker.max-replicas` or `STOKER_CPU_BUDGET` allows workers for"},
		{"service-scaled", "service-scaled", "a service has another number of replicas", "", "a service of a Swarm was given other replicas (`STOKER_SWARM_SCALE`)"},
		{"service-held", "service-held", "the replicas of a service are left as they are", "",
			"they are not changed: somebody else has set them, the service is being updated, its labels are wrong, or the engine refused"},
		{"service-forced", "service-forced", "a service was updated by force, to bring lost tasks back", "", "a task that Swarm lost is brought back by `docker service update --force`, once"},
		{"task-lost", "task-lost", "was unhealthy and ended with 0, which Swarm does not replace under on-failure", "were unhealthy and ended with 0, which Swarm does not replace under on-failure",
			"a task was unhealthy and ended with 0; under the restart condition `any` Swarm replaces it, under `on-failure` it does not"},
		{"paused", "paused", "is paused by an operator", "are paused by an operator", "`stoker pause`; without a worker the message says what is paused"},
		{"resumed", "resumed", "is not paused any more", "are not paused any more", "a pause is over"},
		{"woken", "woken", "was woken", "were woken", "a worker that slept runs again"},
		{"asleep", "asleep", "sleeps, for there is no work", "sleep, for there is no work", "a worker was stopped for want of work"},
		{"managed", "managed", "is managed", "are managed", "a worker is managed from now on"},
		{kindTest, kindTest, "this is a test, notifications work", "", "`stoker notify-test`, whatever is chosen"},
		{"unmanaged", "unmanaged", "is gone", "are gone", "a worker is gone or no longer selected"},
	}
}

// Kinds that are derived from another: the end of a heal that was a recreate.
const (
	kindRecreated    = "recreated"
	kindNotRecreated = "not-recreated"
	// kindRecycled is a fault of a worker with which nothing is wrong.
	kindRecycled = "recycled"
	// kindTest is of no event: a person asked for a test message.
	kindTest = "test"
)

// pair is the kinds of a problem and of its end.
type pair struct{ bad, good string }

func pairs() []pair {
	return []pair{{"engine-disconnected", "engine-connected"}, {"host-overloaded", "host-recovered"}, {"demand-lost", "demand-back"}}
}

// catalog is rows and pairs by kind, and what is wanted of them.
type catalog struct {
	rows  map[string]row
	pairs map[string]pair // by either kind
	want  map[string]bool
}

// newCatalog takes the names of the wanted events, or their kinds; none is Defaults. The error names those that are neither.
func newCatalog(on []string) (catalog, error) {
	b := catalog{rows: map[string]row{}, pairs: map[string]pair{}, want: map[string]bool{}}
	for _, p := range pairs() {
		b.pairs[p.bad], b.pairs[p.good] = p, p
	}
	alias := map[string]string{eventAll: eventAll, eventNone: eventNone}
	var names []string
	for _, r := range rows() {
		b.rows[r.kind] = r
		if r.kind == kindTest {
			continue
		}
		alias[r.kind], alias[r.event] = r.event, r.event
		if !slices.Contains(names, r.event) {
			names = append(names, r.event)
		}
	}
	if len(on) == 0 {
		on = Defaults()
	}
	var problems []error
	for _, name := range on {
		event, ok := alias[strings.ToLower(strings.TrimSpace(name))]
		if !ok {
			problems = append(problems, fmt.Errorf("%.40q is not an event; write all, none, or a comma list of %s", name, strings.Join(names, ", ")))
		}
		b.want[event] = true
	}
	if b.want[eventNone] && len(on) > 1 {
		problems = append(problems, errors.New("none stands alone"))
	}
	return b, errors.Join(problems...)
}

func (c catalog) wants(event string) bool { return c.want[event] || c.want[eventAll] }

// row returns how a kind is reported; one without a row is reported by its name.
func (c catalog) row(kind string) row {
	if r, ok := c.rows[kind]; ok {
		return r
	}
	return row{kind: kind, event: kind, one: "reports " + kind, many: "report " + kind}
}

// kind returns the kind that an event is reported as: its own, or that of a recreate where those are wanted.
func (c catalog) kind(n worker.Event) string {
	if n.Kind == worker.EventFault && n.Fault.Recycles() {
		return kindRecycled
	}
	if n.Heal == worker.HealRecreate && c.wants(eventRecreate) {
		switch n.Kind { //nolint:exhaustive // the ends of a heal
		case worker.EventHealed:
			return kindRecreated
		case worker.EventHealFailed:
			return kindNotRecreated
		}
	}
	return string(n.Kind)
}

// may reports whether an event can be reported at all. Whether it is depends on what was reported before.
func (c catalog) may(n worker.Event) bool {
	if p, ok := c.pairs[string(n.Kind)]; ok {
		return c.wants(c.row(p.bad).event) || c.wants(c.row(p.good).event)
	}
	return c.wants(c.row(c.kind(n)).event)
}
