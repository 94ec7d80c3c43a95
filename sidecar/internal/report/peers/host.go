// Package peers holds what is known of the Stokers of other hosts: how their answers are read, and what they add up to. It trusts none of
// them: texts are sanitized, numbers and sizes bounded. It is pure; package poll asks.
package peers

import "time"

// State is how it stands with the Stoker of a host.
type State string

// The states of a host.
const (
	Own        State = "own"        // the host that was asked
	Asking     State = "asking"     // it has not answered yet, and has not failed to
	Answered   State = "answered"   // the last time it was asked
	Silent     State = "silent"     // it did not answer, or not in time
	Invalid    State = "invalid"    // its answer is not that of a Stoker, or too large
	Gone       State = "gone"       // its DNS name no longer leads there
	Unresolved State = "unresolved" // the DNS name leads nowhere
)

// Host is one host. The report of one that does not answer is its last, with the state of every worker unknown.
type Host struct {
	Name     string     `json:"name"`    // what it calls itself; its address before it has answered
	Address  string     `json:"address"` // base of its URLs; empty for the own one
	State    State      `json:"state"`
	Error    string     `json:"error"`
	Answered *time.Time `json:"answered_at"` // last, by the clock of the Stoker that was asked; null is never
	Report
}

// Current reports whether the workers of the host are as they are now.
func (h Host) Current() bool { return h.State == Own || h.State == Answered }

// Report is what a Stoker reports of its host.
type Report struct {
	At         *time.Time `json:"at"`      // by its clock
	Version    string     `json:"version"` // of Stoker; empty where an older one does not report it
	Connected  bool       `json:"engine_connected"`
	Engine     string     `json:"engine_version"`
	Overloaded bool       `json:"host_overloaded"`
	Workers    []Worker   `json:"workers"`      // at most MaxWorkers
	More       int        `json:"workers_more"` // that it has besides

	called   string // what the host calls itself
	instance string // of the Stoker
}

// Worker is the part of a worker that all hosts show. Its fields have the names of /api/v1/workers.
type Worker struct {
	Key   string `json:"key"`
	State string `json:"state"`
	Container
	Healing
	Task
	CPU
	Problems []Problem `json:"problems"` // at most maxProblems
}

// Container is how the container of a worker is.
type Container struct {
	Status    string     `json:"status"`
	Health    string     `json:"health"`
	StartedAt *time.Time `json:"started_at"`
}

// Healing is what is wrong with a worker and what is done about it.
type Healing struct {
	Held     string  `json:"held"`
	Fault    string  `json:"fault"`
	Reason   string  `json:"reason"`
	Heal     string  `json:"heal"`
	Attempts int     `json:"attempts"`
	NextIn   float64 `json:"next_in_seconds"`
}

// Task is what a worker is in Swarm.
type Task struct {
	Service string `json:"service"` // empty for none
	Slot    string `json:"slot"`
}

// CPU is the quota of a worker and what it uses of it.
type CPU struct {
	CPUs      float64  `json:"cpus"`
	Boosted   bool     `json:"boosted"`
	Used      *float64 `json:"used_cpus"`
	Throttled *float64 `json:"throttled_share"`
}

// Problem is a label that is wrong.
type Problem struct {
	Label   string `json:"label"`
	Value   string `json:"value"`
	Message string `json:"message"`
	Nearest string `json:"nearest"`
}

// unknown is the state of a worker of which nothing current is known.
const unknown = "unknown"
