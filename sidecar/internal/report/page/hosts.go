package page

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/report/peers"
)

// maxOthers is how many workers of other hosts are shown with the own ones, the most urgent first. The page of a host has all of its.
const maxOthers = 500

// hostsData is the other hosts, or one of them.
type hostsData struct {
	Hosts   []hostRow
	Workers []otherRow
	More    int  // workers that are not shown
	One     bool // the page of one host
}

// hostRow is a line about a host.
type hostRow struct {
	Address   string // empty for the own host
	Name      string
	State     peers.State
	Tone      string
	Why       string
	Stoker    string // version
	Engine    string
	Workers   int
	Running   int
	Attention int
	Answered  instant // when it is not current
}

// otherRow is a line about a worker of another host.
type otherRow struct {
	Host     string
	Address  string
	Name     string
	State    fleet.State
	Why      string
	Health   worker.Health
	CPU      gauge
	Attempts int
	Problems []string
	Task     string
	rank     int
}

// hosts returns all hosts and the most urgent workers of the others; nil when this Stoker has no peers.
func (r request) hosts() *hostsData {
	if r.others == nil {
		return nil
	}
	d := &hostsData{Hosts: []hostRow{r.ownRow()}}
	for _, h := range r.others() {
		d.add(r.hostRow(h), r.otherRows(h))
	}
	slices.SortStableFunc(d.Workers, func(a, b otherRow) int { return cmp.Compare(a.rank, b.rank) })
	if over := len(d.Workers) - maxOthers; over > 0 {
		d.Workers, d.More = d.Workers[:maxOthers], d.More+over
	}
	return d
}

// host returns one host with all its workers, and false when there is none at that address.
func (r request) host(address string) (pageData, bool) {
	d := r.frame()
	if r.others == nil {
		return d, false
	}
	for _, h := range r.others() {
		if h.Address == address {
			d.Hosts = &hostsData{One: true}
			d.Hosts.add(r.hostRow(h), r.otherRows(h))
			d.Title = brief(h.Name, 100)
			return d, true
		}
	}
	return d, false
}

func (d *hostsData) add(h hostRow, workers []otherRow) {
	for _, w := range workers {
		switch w.rank / ranksPerGroup {
		case slices.Index(groupOrder(), groupRunning):
			h.Running++
		case slices.Index(groupOrder(), groupAttention):
			h.Attention++
		}
	}
	d.Hosts, d.Workers = append(d.Hosts, h), append(d.Workers, workers...)
	d.More += h.Workers - len(workers)
}

func (r request) ownRow() hostRow {
	link := r.view.Engine
	h := hostRow{Name: cmp.Or(brief(link.Engine.Name, 100), "this host"), State: peers.Own, Tone: "ok", Stoker: r.version, Engine: brief(link.Engine.Version, 40), Workers: len(r.view.Workers)}
	h.warn(link.Connected, r.view.HostOverloaded)
	for _, w := range r.view.Workers {
		switch groupOf(w) {
		case groupRunning:
			h.Running++
		case groupAttention:
			h.Attention++
		case groupHealing, groupHeld, groupUnknown:
		}
	}
	return h
}

func (r request) hostRow(h peers.Host) hostRow {
	line := hostRow{
		Address: h.Address, Name: brief(h.Name, 128), State: h.State, Tone: "bad", Why: brief(h.Error, 200), Stoker: h.Version, Engine: h.Engine,
		Workers: len(h.Workers) + h.More,
	}
	switch {
	case h.State == peers.Answered:
		line.Tone = "ok"
		line.warn(h.Connected, h.Overloaded)
	case h.State == peers.Asking:
		line.Tone = "idle"
	case h.Answered != nil:
		line.Answered = instantOf(*h.Answered, r.now)
	}
	return line
}

// warn returns what is wrong with a host that answers.
func (h *hostRow) warn(connected, overloaded bool) {
	switch {
	case !connected:
		h.Tone, h.Why = "bad", "engine disconnected"
	case overloaded:
		h.Tone, h.Why = "bad", "overloaded"
	}
}

func (r request) otherRows(h peers.Host) []otherRow {
	rows := make([]otherRow, len(h.Workers))
	for n, w := range h.Workers {
		rows[n] = r.otherRow(w)
		rows[n].Host, rows[n].Address = brief(h.Name, 128), h.Address
	}
	slices.SortStableFunc(rows, func(a, b otherRow) int { return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.Name, b.Name)) })
	return rows
}

// otherRow shows a worker of another host in the words of this one. A state that only a newer Stoker has is shown as unknown, with its name.
func (r request) otherRow(w peers.Worker) otherRow {
	v := fleet.WorkerView{
		ContainerView: fleet.ContainerView{CPUs: w.CPUs, Boosted: w.Boosted},
		HealView:      fleet.HealView{State: fleet.State(w.State), Held: worker.Reason(w.Held), Fault: worker.Fault(w.Fault), Reason: worker.Reason(w.Reason)},
	}
	if w.Used != nil {
		v.Share = worker.Share{At: r.now, CPUs: *w.Used, ThrottlingUnknown: w.Throttled == nil}
		if w.Throttled != nil {
			v.Share.Throttled = *w.Throttled
		}
	}
	line := otherRow{Name: w.Key, Health: worker.Health(w.Health), CPU: gaugeOf(v, r.now), Attempts: w.Attempts, Why: otherWhy(v, w, r.now), Task: taskText(w.Service, w.Slot)}
	for _, p := range w.Problems {
		line.Problems = append(line.Problems, problem(p.Label, p.Value, p.Message, p.Nearest))
	}
	if !slices.Contains(stateOrder(), v.State) {
		v.State, line.Why = fleet.StateUnknown, w.State
	}
	line.State = v.State
	g := groupOf(v)
	if len(w.Problems) > 0 {
		g = groupAttention
	}
	line.rank = rank(g, v.State)
	return line
}

func otherWhy(v fleet.WorkerView, w peers.Worker, now time.Time) string {
	if v.Held != worker.HeldNot {
		return string(v.Held) // how long a pause lasts is shown on the host's own page
	}
	text := why(v, now)
	if w.NextIn > 0 && w.Heal != "" {
		text = fmt.Sprintf("%s, %s in %s", text, w.Heal, coarse(time.Duration(w.NextIn*float64(time.Second))))
	}
	return text
}
