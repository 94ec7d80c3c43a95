package worker

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// SavedNetworks is the part of Saved about the worker's networks. A start that fails because a host port is taken permanently
// removes that port's network from the container (engine 29.1 to 29.7.2, moby/moby#51758). A later start has no network to
// publish the port on, and succeeds.
type SavedNetworks struct {
	// Shown are those of the last inspect, by name, sorted.
	Shown []string `json:"shown,omitempty"`
	// Lost are the networks that a failed start removed and that were not restored.
	Lost []string `json:"lost,omitempty"`
	// StartError is that of the last inspect. Each start that fails for the networks leaves another text, which contains the ID
	// of the endpoint.
	StartError string `json:"start_error,omitempty"`
	// Failed: StartError was about the networks.
	Failed bool `json:"failed,omitempty"`
	// Of is the incarnation in the last inspect.
	Of Incarnation `json:"of,omitzero"`
	// Known: there was an inspect.
	Known bool `json:"known,omitempty"`
	// Reported: an event reported that it runs without them.
	Reported bool `json:"told,omitempty"`
}

// networks is what is to be done about lost networks.
type networks struct {
	unseenStart bool      // a start may have failed since the last inspect without an event
	seenAt      time.Time // the last inspect; Stoker's clock
	connectAt   time.Time // when the running container is to be connected again; zero if no network is lost
	tries       int
	addresses   []string    // of the last inspect
	reach       Reach       // of the last inspect
	unseen      []string    // of the last inspect: folders that the engine does not expose
	runningIn   Incarnation // the last inspected incarnation that ran: a container that is down has no addresses
}

// connectDeadline bounds the connect requests and the inspect after them.
const connectDeadline = time.Minute

// inspectBeforeStart is the maximum age of the last inspect before a worker is started again whose start has failed. A network
// that is missing without another failed start was disconnected by an operator. Once a start has succeeded, the two cases cannot
// be distinguished.
const inspectBeforeStart = 2 * time.Second

// whole reports whether the worker has all of its networks.
func (m *Machine) whole() bool { return len(m.saved.Networks.Lost) == 0 }

// connectedOtherwise reports whether a list shows other networks than the last inspect. Another client connected or disconnected
// the worker, or its start failed, and no event reports it. An inspect is needed before the next start.
func (m *Machine) connectedOtherwise(listed []string) bool {
	return listed != nil && m.saved.Networks.Known && !slices.Equal(m.saved.Networks.Shown, listed)
}

// mayHaveLost reports whether a start failed for the networks since the last inspect, or may have failed before one that
// succeeded.
func (n SavedNetworks) mayHaveLost(s Snapshot) bool {
	if s.NetworkFailed && s.StartError != "" {
		return s.StartError != n.StartError
	}
	return n.Failed && s.StartError == ""
}

// startedSince reports whether an inspect shows a start since the last one. Whatever its result, it hides an earlier failure.
func (n SavedNetworks) startedSince(s Snapshot) bool {
	return !s.same(n.Of) || s.StartError != "" && s.StartError != n.StartError
}

// hidesStart reports whether another start may have failed before the last one in an inspect, without an event. Docker's own
// start follows the exit at once, and after a failed one there is no other (moby monitor.go).
func (m *Machine) hidesStart(s Snapshot, noStartEvent bool) bool {
	was := m.container.status
	unannounced := was == StatusRunning && s.Status.Down()
	byDocker := s.startedBy() == startedByDocker && (was.Down() || was == StatusRestarting)
	return unannounced || noStartEvent && m.phase() != PhaseStarting && !byDocker
}

// noteNetworks compares the networks of an inspect with those of the last one. A network that is missing since a start that
// failed for a network is lost. Without such a start an operator disconnected it on purpose.
func (m *Machine) noteNetworks(now time.Time, s Snapshot) {
	m.networks.addresses, m.networks.reach, m.networks.unseen = s.Addresses, s.Reach, s.Unseen
	if m.networks.runningIn = (Incarnation{}); s.Status == StatusRunning || s.Status == StatusPaused {
		m.networks.runningIn = s.Incarnation
	}
	if m.networks.seenAt = now; s.Networks == nil || m.id.Task { // not reported, or connected by Swarm
		return
	}
	before := m.saved.Networks
	missing := slices.DeleteFunc(unite(before.Shown, before.Lost), func(name string) bool { return slices.Contains(s.Networks, name) })
	started := before.startedSince(s)
	lost := before.mayHaveLost(s) || m.networks.unseenStart && started
	if !lost {
		missing = slices.DeleteFunc(missing, func(name string) bool { return !slices.Contains(before.Lost, name) })
	}
	missing = slices.DeleteFunc(missing, func(name string) bool { return name == "host" || name == "none" }) // modes that no container can be connected to
	if !before.Known && s.NetworkFailed && s.ModeNetwork != "" && !slices.Contains(s.Networks, s.ModeNetwork) {
		missing = append(missing, s.ModeNetwork) // unknown which others the start removed
	}
	m.networks.unseenStart = m.networks.unseenStart && !started && s.Status != StatusRunning // otherwise it may still be under way
	if len(missing) == 0 {
		m.networks.connectAt, m.networks.tries = time.Time{}, 0
		if before.Reported && s.Status == StatusRunning {
			m.emit(Event{At: now, Kind: EventNetworkRestored, HealDetails: HealDetails{HealID: m.heal().ID}, Reason: ReasonNetworkLost, Detail: networkList(before.Lost)})
		}
		missing = nil
	}
	after := SavedNetworks{
		Shown: s.Networks, Lost: missing, Of: s.Incarnation, StartError: s.StartError, Failed: s.NetworkFailed && s.StartError != "",
		Reported: before.Reported && len(missing) > 0, Known: true,
	}
	if !before.equal(after) {
		m.changes++
	}
	m.saved.Networks = after
}

func (n SavedNetworks) equal(o SavedNetworks) bool {
	rest := n.StartError == o.StartError && n.Failed == o.Failed && n.Reported == o.Reported && n.Known == o.Known
	return rest && n.Of.same(o.Of) && slices.Equal(n.Shown, o.Shown) && slices.Equal(n.Lost, o.Lost)
}

func unite(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

func networkList(names []string) string {
	if len(names) == 1 {
		return "network " + names[0]
	}
	return "networks " + strings.Join(names, ", ")
}

// definition is the model for a new container: the inspect, with lost networks as in earlier inspects.
func (m *Machine) definition(s Snapshot) []byte {
	if m.whole() {
		return s.Definition
	}
	whole, err := withNetworks(s.Definition, m.saved.Definition, m.saved.Networks.Lost)
	if err != nil { // the engine's answers were parsed before
		return m.saved.Definition
	}
	return whole
}

// object is a JSON object with unparsed values.
type object map[string]json.RawMessage

// member returns an object within another one; empty if there is none.
func (o object) member(key string) (object, error) {
	inner := object{}
	if raw := o[key]; len(raw) > 0 {
		if err := json.Unmarshal(raw, &inner); err != nil {
			return nil, fmt.Errorf("read %s of an inspect: %w", key, err)
		}
	}
	if inner == nil { // it was null
		inner = object{}
	}
	return inner, nil
}

// inspected holds the objects on the path to the networks of an inspect.
type inspected struct{ document, settings, networks object }

func readInspect(raw []byte) (i inspected, err error) {
	if err = json.Unmarshal(raw, &i.document); err != nil {
		return i, fmt.Errorf("read an inspect: %w", err)
	}
	if i.settings, err = i.document.member("NetworkSettings"); err == nil {
		i.networks, err = i.settings.member("Networks")
	}
	return i, err
}

// withNetworks adds networks of an earlier inspect to an inspect.
func withNetworks(inspect, earlier []byte, names []string) ([]byte, error) {
	was, err := readInspect(earlier)
	if err != nil {
		return nil, err
	}
	is, err := readInspect(inspect)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if endpoint, ok := was.networks[name]; ok {
			is.networks[name] = endpoint
		}
	}
	if is.settings["Networks"], err = json.Marshal(is.networks); err != nil {
		return nil, err
	}
	if is.document["NetworkSettings"], err = json.Marshal(is.settings); err != nil {
		return nil, err
	}
	return json.Marshal(is.document)
}

// inspectsBeforeStart reports whether a start has to wait for an inspect that distinguishes a loss from an operator's disconnect.
func (m *Machine) inspectsBeforeStart(class ActionClass, at time.Time) bool {
	failed := class == ClassStart && m.heal().Fault == FaultStartFailed && m.inspects.tries == 0
	return failed && len(m.saved.Networks.Shown) > 0 && at.Sub(m.networks.seenAt) > inspectBeforeStart
}

// connects reports whether a running worker is to be connected again. Only a connect restores a network without a restart. It
// does no harm while the port is taken (29.7.2).
func (m *Machine) connects() bool {
	return !m.whole() && m.container.status == StatusRunning && !m.stopSent() && m.saved.StopIntent == nil && m.phase() != PhaseHeld
}

// connectsFirst reports whether a start has to wait for the connect. The connect is a separate action, so an operator's stop
// meanwhile cancels the start. A start that fails removes a network again, so each start has a connect before it.
func (m *Machine) connectsFirst() bool {
	return !m.whole() && m.phase() == PhaseBackingOff && m.container.status.Down()
}

// planConnect inserts the connect among the due actions.
func (m *Machine) planConnect(now time.Time, class ActionClass, due time.Time) (ActionClass, time.Time) {
	switch {
	case class == ClassStart && m.connectsFirst():
		return ClassUpdate, due
	case !m.connects():
		return class, due
	}
	if at := latest(m.networks.connectAt, now); due.IsZero() || at.Before(due) {
		return ClassUpdate, at
	}
	return class, due
}

// connectsNow reports whether the due action in ClassUpdate is a connect. A due update comes first.
func (m *Machine) connectsNow(now time.Time) bool {
	if m.connectsFirst() {
		return true
	}
	updates := !m.quota.updateAt.IsZero() && !m.quota.updateAt.After(now)
	return m.connects() && !updates && !m.networks.connectAt.After(now)
}

func (m *Machine) fillConnect(a *Action) {
	a.Verb, a.Reason, a.Deadline = Connect, ReasonNetworkLost, connectDeadline
	a.Networks, a.Definition = m.saved.Networks.Lost, m.saved.Definition
}

// finishConnect applies a connect; what the engine shows afterwards counts. A connect that fails while the port is taken is
// retried after 1 s, 2 s, 4 s … 30 s.
func (m *Machine) finishConnect(now time.Time, o Outcome) {
	if m.connectsFirst() {
		m.finishConnectFirst(now, o)
		return
	}
	switch o.Result {
	case Done:
		m.networks.connectAt, m.networks.tries = time.Time{}, 0
		m.saved.Networks.Reported = true // report in any case that the networks are back
		m.applyOrInspect(now, o)
	case Skipped:
		m.networks.connectAt = now.Add(lastRetry)
	case Failed, Refused, Unknown:
		m.networks.connectAt = now.Add(min(firstRetry<<min(m.networks.tries, 10), lastRetry))
		m.networks.tries++
		if o.Result != Unknown && !o.Unreachable && !m.saved.Networks.Reported {
			m.saved.Networks.Reported = true
			m.changes++
			detail := networkList(m.saved.Networks.Lost) + ", lost in a start that failed: " + o.Err
			m.emit(Event{At: now, Kind: EventNetworkLost, HealDetails: HealDetails{HealID: m.heal().ID}, Reason: ReasonNetworkLost, Detail: detail})
		}
		if o.Result == Unknown || o.Snapshot != nil {
			m.applyOrInspect(now, o)
		}
	}
}

// finishConnectFirst: a start whose connect failed has failed itself.
func (m *Machine) finishConnectFirst(now time.Time, o Outcome) {
	running := o.Snapshot != nil && o.Snapshot.Status == StatusRunning
	switch {
	case o.Result == Done, running && !o.Unreachable:
		m.applyOrInspect(now, o)
	case o.Result == Skipped:
		m.skip(now)
	case o.Result == Unknown:
		m.inspects.outcomeUnknown = true
		m.requestInspect(now.Add(firstRetry), ReasonUncertain)
	default:
		if !o.Unreachable {
			m.charge(now)
		}
		m.startFailed(now, o)
	}
}
