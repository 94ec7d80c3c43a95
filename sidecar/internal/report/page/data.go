package page

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/report/history"
	"stoker/sidecar/internal/report/peers"
	"stoker/sidecar/internal/report/trend"
	"stoker/sidecar/internal/sanitize"
)

const (
	day = 24 * time.Hour
	// maxHistory is how many records the page shows, maxWorkerHistory how many the page of a worker.
	maxHistory       = 100
	maxWorkerHistory = 200
	// maxOutput and maxWorkerOutput bound what a health check printed, in bytes. Docker keeps 4096 of each.
	maxOutput       = 2 << 10
	maxWorkerOutput = 16 << 10
	// maxIntervals is how many lines the timeline in words has.
	maxIntervals = 50
)

// request is the state that one request is answered from.
type request struct {
	now     time.Time
	view    fleet.View
	past    *past
	trend   func(group string) []trend.Point
	version string
	assets  addresses

	evidence func(key worker.Key) []history.Heal
	others   func() []peers.Host // nil without peers
}

// pageData is what the templates show.
type pageData struct {
	Title   string
	Version string
	Assets  addresses
	Now     string // RFC 3339
	Kinds   string // names of the server-sent events, besides view and gap
	Summary summary
	Engine  engine
	Groups  []groupRow
	Hosts   *hostsData // nil without peers
	Rows    []row
	History []entry
	Worker  *detail // the page of one worker
}

// detail is one worker at length.
type detail struct {
	row
	Managed   bool // still
	ID        string
	Expected  bool
	Scope     string
	Timeline  drawing
	Ticks     []instant
	Intervals []interval
	More      int // intervals that are not shown
	History   []entry
	Evidence  []evidence // of the last heals, the newest first
}

// interval is a line of the timeline in words.
type interval struct {
	Condition condition
	From      instant
	Took      string
}

// entry is a line of the history.
type entry struct {
	ID      string // the same for the same record in the next answer
	Key     worker.Key
	Name    string
	Began   instant
	Outcome outcome
	Tone    string
	decision
	Took string
	said
}

// decision is what was wrong and what Stoker did about it.
type decision struct {
	Fault   worker.Fault
	Intent  worker.Intent
	Heal    worker.HealAction
	Attempt int
	Reason  worker.Reason
}

// said is the text that came with a record.
type said struct {
	Exit   string // code; empty if it has not exited
	Detail string
	Line   string // the first of Output
	Output string
}

func (r request) frame() pageData {
	s := summarize(r.view)
	return pageData{
		Title: s.Text, Version: r.version, Assets: r.assets, Now: r.now.UTC().Format("2006-01-02T15:04:05.000Z"), Kinds: kinds(),
		Summary: s, Engine: engineOf(r.view.Engine),
	}
}

// all returns the page of all workers.
func (r request) all() pageData {
	d := r.frame()
	d.Rows, d.Groups = r.rows(), r.groups()
	d.History = r.entries(r.past.records, maxHistory, maxOutput)
	return d
}

// worker returns the page of one worker, and false when nothing is known of it.
func (r request) worker(key worker.Key) (pageData, bool) {
	index := slices.IndexFunc(r.view.Workers, func(w fleet.WorkerView) bool { return w.Key == key })
	past := r.past.workers[key]
	if index < 0 && (past == nil || key == "") {
		return pageData{}, false
	}
	w := fleet.WorkerView{Key: key, HealView: fleet.HealView{State: fleet.StateUnknown}}
	if index >= 0 {
		w = r.view.Workers[index]
	}
	spans := r.spans(w)
	one := &detail{
		row: r.row(w), Managed: index >= 0, ID: brief(w.ID, 12+len("…")), Expected: w.Expected, Scope: sanitize.Line(w.Scope),
		Timeline: draw(spans, r.now.Add(-day), r.now, 720, 64),
	}
	if past != nil {
		one.History = r.entries(past.records, maxWorkerHistory, maxWorkerOutput)
	}
	for hours := 24; hours >= 0; hours -= 6 {
		one.Ticks = append(one.Ticks, instantOf(r.now.Add(-time.Duration(hours)*time.Hour), r.now))
	}
	one.Intervals, one.More = r.intervals(spans)
	one.Evidence = r.evidenceOf(key)
	d := r.frame()
	d.Worker, d.Title = one, one.Name
	return d, true
}

func (r request) intervals(spans []span) (intervals []interval, more int) {
	for _, s := range slices.Backward(spans) {
		if len(intervals) == maxIntervals {
			return intervals, len(spans) - maxIntervals
		}
		intervals = append(intervals, interval{s.Condition, instantOf(s.From, r.now), lasting(s.To.Sub(s.From))})
	}
	return intervals, 0
}

// entries returns the newest records, the newest first.
func (r request) entries(records []*record, limit, output int) []entry {
	entries := make([]entry, 0, min(limit, len(records)))
	for _, one := range slices.Backward(records[len(records)-cap(entries):]) {
		entries = append(entries, r.entry(one, output))
	}
	return entries
}

func (r request) entry(one *record, output int) entry {
	n := one.Event
	e := entry{
		Key: n.Key, Name: sanitize.Line(string(n.Key)), Began: instantOf(one.Began, r.now), Outcome: one.Outcome, Tone: tone(one.Outcome),
		decision: decision{Fault: n.Fault, Intent: n.Intent, Heal: n.Heal, Attempt: n.Attempt, Reason: n.Reason}, said: saidIn(n, output),
	}
	e.ID = strings.Join([]string{strconv.FormatInt(one.Began.UnixNano(), 36), one.name(), e.Name}, " ")
	if took := one.took(r.now); took > 0 {
		e.Took = lasting(took)
	}
	return e
}

// saidIn returns the texts of an event, each at most limit bytes long.
func saidIn(n worker.Event, limit int) said {
	s := said{Detail: cut(sanitize.Text(n.Detail), limit), Output: cut(sanitize.Text(n.Output), limit)}
	s.Line = firstLine(s.Output)
	if n.Fault == worker.FaultExited || n.Fault == worker.FaultOOM {
		s.Exit = strconv.Itoa(n.ExitCode)
	}
	if n.Kind == worker.EventQuota || n.Kind == worker.EventQuotaFailed {
		s.Detail = strings.TrimSpace(cpus(n.From) + " → " + cpus(n.CPUs) + " CPUs " + s.Detail)
	}
	return s
}

// kinds returns the names under which the server sends events.
func kinds() string {
	var names []string
	for _, k := range worker.EventKinds() {
		names = append(names, string(k))
	}
	return strings.Join(names, " ")
}
