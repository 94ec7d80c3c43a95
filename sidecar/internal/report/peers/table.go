package peers

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

const (
	// MaxPeers is how many other Stokers are asked.
	MaxPeers = 100
	// AskEvery is the least time between two questions to one.
	AskEvery = 5 * time.Second
	// ownEvery is the same for an address that turned out to be this Stoker's own.
	ownEvery = 5 * time.Minute
	// keepGone is how long a host is shown whose address is gone.
	keepGone = 24 * time.Hour
)

// Table is what is known of all peers. It is not safe for concurrent use.
type Table struct {
	instance string // of this Stoker
	entries  map[string]*entry
	peers    map[string]*peer // by address
}

// entry is one of STOKER_PEERS.
type entry struct {
	addresses []string
	problem   string
	resolved  bool // once at least
}

// peer is one address.
type peer struct {
	entry    string
	state    State
	problem  string
	asked    time.Time
	answered time.Time
	gone     time.Time // since when its name no longer leads there
	report   Report
}

// NewTable returns a table for the Stoker that shows this instance in its own answers. The addresses do not change.
func NewTable(instance string, addresses []string) *Table {
	t := &Table{instance: instance, entries: map[string]*entry{}, peers: map[string]*peer{}}
	for _, address := range addresses {
		t.Resolved(time.Time{}, address, []string{address}, nil)
	}
	return t
}

// Resolved takes in which addresses a name has now. With an error they stay as they were: a name server that is down ends no peer.
func (t *Table) Resolved(now time.Time, name string, addresses []string, err error) {
	e := t.entries[name]
	if e == nil {
		e = &entry{}
		t.entries[name] = e
	}
	if err != nil {
		e.problem = line(err.Error(), mostText)
		return
	}
	addresses = slices.Compact(slices.Sorted(slices.Values(addresses)))
	e.problem, e.resolved = "", true
	room := MaxPeers
	for other, o := range t.entries {
		if other != name {
			room -= len(o.addresses)
		}
	}
	if over := len(addresses) - max(room, 0); over > 0 {
		e.problem = fmt.Sprintf("more than %d peers: %d are not asked", MaxPeers, over)
		addresses = addresses[:len(addresses)-over]
	}
	e.addresses = addresses
	for _, address := range addresses {
		if p := t.peers[address]; p == nil {
			t.peers[address] = &peer{entry: name, state: Asking}
		} else if p.state == Gone {
			p.state, p.gone = Asking, time.Time{}
		}
	}
	for address, p := range t.peers {
		if p.entry == name && p.state != Gone && !slices.Contains(addresses, address) {
			p.state, p.gone, p.problem = Gone, now, name+" no longer leads there"
		}
	}
	t.forget(now)
}

// forget drops what is not shown any more: the own address, a host that never answered, one that answers at another address now (its container
// was replaced), and what has been gone for long.
func (t *Table) forget(now time.Time) {
	for address, p := range t.peers {
		if p.state != Gone {
			continue
		}
		moved := func(other *peer) bool {
			return other != p && other.entry == p.entry && other.state == Answered && other.report.called == p.report.called
		}
		if p.answered.IsZero() || now.Sub(p.gone) > keepGone || slices.ContainsFunc(slices.Collect(maps.Values(t.peers)), moved) {
			delete(t.peers, address)
		}
	}
	t.limitGone()
}

// limitGone keeps the last MaxPeers of those that are gone.
func (t *Table) limitGone() {
	var gone []string
	for address, p := range t.peers {
		if p.state == Gone {
			gone = append(gone, address)
		}
	}
	slices.SortFunc(gone, func(a, b string) int { return t.peers[b].gone.Compare(t.peers[a].gone) })
	for _, address := range gone[min(len(gone), MaxPeers):] {
		delete(t.peers, address)
	}
}

// Due returns the addresses to ask now, and counts them as asked. Those that answered the last time come first, so that the others delay none.
func (t *Table) Due(now time.Time) []string {
	var due []string
	for address, p := range t.peers {
		every := AskEvery
		if p.state == Own {
			every = ownEvery
		}
		if p.state != Gone && now.Sub(p.asked) >= every {
			due = append(due, address)
		}
	}
	order := []State{Answered, Own, Asking, Invalid, Silent}
	slices.SortFunc(due, func(a, b string) int {
		return cmp.Or(slices.Index(order, t.peers[a].state)-slices.Index(order, t.peers[b].state), cmp.Compare(a, b))
	})
	for _, address := range due {
		t.peers[address].asked = now
	}
	return due
}

// Answered takes in an answer.
func (t *Table) Answered(now time.Time, address string, r Report) {
	p := t.peers[address]
	if p == nil || p.state == Gone {
		return
	}
	if r.instance != "" && r.instance == t.instance {
		*p = peer{entry: p.entry, state: Own, asked: p.asked}
		return
	}
	p.state, p.problem, p.answered, p.report = Answered, "", now, r
	t.forget(now)
}

// Failed takes in that an address did not answer (Silent), or not as a Stoker does (Invalid).
func (t *Table) Failed(address string, as State, problem string) {
	if p := t.peers[address]; p != nil && p.state != Gone {
		p.state, p.problem = as, line(problem, mostText)
	}
}

// Hosts returns all hosts but the own one, by name. It shares its workers with the table, which never changes them.
func (t *Table) Hosts() []Host {
	hosts := []Host{}
	for address, p := range t.peers {
		if p.state != Own {
			hosts = append(hosts, p.host(address))
		}
	}
	for name, e := range t.entries {
		if e.problem != "" || e.resolved && len(e.addresses) == 0 {
			hosts = append(hosts, Host{Name: name, Address: name, State: Unresolved, Error: cmp.Or(e.problem, "the name has no address"), Report: Report{Workers: []Worker{}}})
		}
	}
	slices.SortFunc(hosts, func(a, b Host) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Address, b.Address)) })
	return hosts
}

func (p *peer) host(address string) Host {
	h := Host{Name: cmp.Or(p.report.called, address), Address: address, State: p.state, Error: p.problem, Report: p.report}
	if !p.answered.IsZero() {
		at := p.answered.UTC()
		h.Answered = &at
	}
	if h.State == Answered {
		return h
	}
	h.Workers = append([]Worker{}, h.Workers...)
	for n := range h.Workers {
		h.Workers[n].State = unknown
	}
	return h
}
